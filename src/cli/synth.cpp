// r1 synth SHAPE OUT.gguf: a model of a known shape with random weights, for benchmarks.
#include "format/synth.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/clock.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/terminal.h"

namespace r1 {
namespace {

struct SynthOptions {
  std::string shape, out, type = "q4_k_m";
  uint64_t seed = 0;
  int threads = 0;
  bool force = false;
};

std::string shape_help() {
  std::string help = "a config.json, a folder or a GGUF file of that shape, or one of";
  for (const ModelShape& shape : known_shapes()) help += fmt::format("\n{}", shape.name);
  return help;
}

Result<ModelShape> shape_of(const std::string& name) {
  std::error_code ignored;
  if (!std::filesystem::exists(name, ignored)) {
    R1_TRY(const ModelShape* known, find_shape(name));
    return *known;
  }
  R1_TRY(const WeightFile file, WeightFile::open(name));
  auto shape = read_shape(file);
  if (!shape) return std::move(shape).error().in(name);
  return shape;
}

Result<void> check_space(const std::string& out, uint64_t bytes) {
  std::filesystem::path folder = std::filesystem::path(out).parent_path();
  std::error_code failed;
  const auto space = std::filesystem::space(folder.empty() ? "." : folder, failed);
  if (!failed && space.available < bytes) {
    return error("{} needs {}, and its disk has {} free", out, format_bytes(bytes),
                 format_bytes(space.available));
  }
  return {};
}

Result<void> synth(const SynthOptions& o) {
  R1_TRY(const ModelShape shape, shape_of(o.shape));
  R1_TRY(const Mix* mix, find_mix(o.type));
  if (o.threads < 0) return error("--threads {}: at least 1, or 0 for all cores", o.threads);
  if (file_exists(o.out) && !o.force) return error("{} exists: --force replaces it", o.out);
  R1_DO(check_space(o.out, synth_bytes(shape, *mix)));
  const auto start = std::chrono::steady_clock::now();
  ThreadPool threads(o.threads > 0 ? o.threads : available_cores());
  Progress bar(fmt::format("writing {}", o.shape), synth_bytes(shape, *mix));
  R1_TRY(const uint64_t bytes, write_synthetic(shape, *mix, o.seed, o.out, threads,
                                               [&](uint64_t done, uint64_t) { bar.update(done); }));
  bar.finish();
  const double seconds = seconds_since(start);
  fmt::print("{}: {} as {}, {}, {}\n", printable(o.out), printable(o.shape), mix->name,
             format_bytes(bytes), format_seconds(seconds));
  return {};
}

}  // namespace

const char* const synth_examples = R"(Examples:
  r1 synth r1-distill-qwen-7b /tmp/7b.gguf                 Q4_K_M, 4.4 GiB
  r1 synth r1-distill-qwen-1.5b /tmp/1.5b.gguf --type bf16
  r1 synth mine/config.json /tmp/mine.gguf --type q4_0
  r1 synth tiny /tmp/tiny.gguf --type q8_0 --seed 7)";

Run declare_synth(CLI::App& app) {
  auto o = std::make_shared<SynthOptions>();
  app.add_option("SHAPE", o->shape, shape_help())->required();
  app.add_option("OUT", o->out, "the GGUF file to write")->required();
  app.add_option("--type", o->type, "mix of types, as in r1 quantize")->capture_default_str();
  app.add_option("--seed", o->seed, "another seed, other weights")->capture_default_str();
  app.add_option("--threads", o->threads, "0: all cores")->capture_default_str();
  app.add_flag("--force", o->force, "replace OUT if it exists");
  return [o] { return synth(*o); };
}

}  // namespace r1
