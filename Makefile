# make run              build r1 and talk to the small model in models/
# make run MODEL=FILE   talk to another: a .gguf file or a Hugging Face folder
# make test             build everything and pass the tests
# make emulated         pass the tests of kernels and law 1 on instruction sets this machine lacks
# make clients          after make test: the clients of PyPI and npm, and the page in a browser, where they can be had
# make check            format, rooms, sizes, unit tests
# make page             build the web page anew (needs node and npm) and test it
.PHONY: run build test clients page emulated check asan tsan fuzz bench clean setup
MODEL ?=

run: build
	@build/release/r1 run $(MODEL)

build: setup
	@cmake --preset release > /dev/null
	@cmake --build --preset release --target r1

test: setup
	cmake --preset release
	cmake --build --preset release
	ctest --preset release -j $(shell nproc)

clients: setup
	@[ -f build/release/build.ninja ] || cmake --preset release
	@cmake --build --preset release --target r1 e2e_test
	@scripts/clients

page: build
	npm ci --prefix web
	npm run build --prefix web
	web/check unit
	R1_PROGRAM=$(CURDIR)/build/release/r1 web/check e2e || [ $$? -eq 77 ]
	@$(MAKE) --no-print-directory build

emulated: setup
	scripts/emulated

asan tsan: setup
	cmake --preset $@
	cmake --build --preset $@
	ctest --preset $@ -L 'unit|kernel' -j $(shell nproc)

fuzz: setup
	scripts/fuzz

bench: setup
	cmake --preset bench
	cmake --build --preset bench

check: setup
	scripts/check

setup:
	@scripts/setup

clean:
	rm -rf build
