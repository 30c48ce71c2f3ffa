// The query of /traces, and what a log's file may hold in place of what was written.
#include <cstddef>
#include <cstdint>

#include "serve/dialects.h"
#include "serve/trace_view.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)r1::read_trace_filter(text);
  r1::TraceLine line;
  line.content = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!line.content.is_object()) return 0;
  (void)r1::dump(r1::trace_summary(line));
  (void)r1::dump(r1::trace_whole(line));
  (void)static_cast<bool>(r1::params_from_json(line.content));
  return 0;
}
