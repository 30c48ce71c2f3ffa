// Bytes of a connection -> requests, cut at every place the input itself says.
#include "serve/http_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  r1::HttpLimits limits;
  limits.header_bytes = 4096;
  limits.body_bytes = 4096;
  std::string waiting, all(reinterpret_cast<const char*>(data), size);
  auto parser = std::make_unique<r1::HttpParser>(limits);
  while (!all.empty()) {
    const size_t n = std::min<size_t>(all.size(), 1 + static_cast<unsigned char>(all[0]) % 61);
    waiting += all.substr(0, n);
    all.erase(0, n);
    parser->feed(waiting);
    if (parser->refused()) return 0;
    if (!parser->done()) continue;
    const r1::HttpRequest request = parser->take();
    if (request.body.size() > limits.body_bytes) __builtin_trap();
    parser = std::make_unique<r1::HttpParser>(limits);
  }
  return 0;
}
