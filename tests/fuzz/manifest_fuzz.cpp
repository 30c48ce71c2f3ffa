// Any bytes as a checkpoint's manifest, and the same with the checksum that they ought to have: an
// error, or a manifest that is written and read again as the same.
#include <cstdint>
#include <nlohmann/json.hpp>

#include "train/manifest.h"

namespace {

void parse(std::string_view text) {
  const auto manifest = r1::parse_manifest(text);
  if (!manifest) return;
  const auto again = r1::manifest_text(*manifest);
  R1_CHECK(again);
  const auto same = r1::parse_manifest(*again);
  R1_CHECK(same && same->step == manifest->step && same->values == manifest->values &&
           same->files.size() == manifest->files.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  parse(text);
  auto j = nlohmann::json::parse(text, nullptr, false);
  if (!j.is_object()) return 0;
  j.erase("checksum");
  r1::Checksum sum;
  const std::string said = j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  sum.add(std::as_bytes(std::span(said)));
  j["checksum"] = sum.hex();
  parse(j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return 0;
}
