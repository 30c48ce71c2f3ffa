// Any text as the JSON beside a checkpoint's weights: an error, or metadata that can be asked,
// counted, fitted and converted by.
#include <cstdint>

#include "format/hf_config.h"
#include "format/hf_to_gguf.h"
#include "format/parameters.h"
#include "format/summary.h"
#include "format/weight_file.h"
#include "infer/fit.h"
#include "model/model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto flat = r1::flatten_json(text);  // no prefix: one would bring a long key over the limit
  const auto file =
      r1::WeightFile::from_memory("config.json", std::as_bytes(std::span(data, size)));
  if (file) R1_CHECK(flat);
  if (!file) return 0;
  for (const auto& [key, value] : file->metadata()) {
    R1_CHECK(file->meta(key) == &value);
    R1_CHECK(key.size() <= r1::kJsonKeyLimit);
    if (const auto words = file->text(key); !words) R1_CHECK(!words.error().message.empty());
  }
  if (const auto summary = r1::summarize(*file); summary && summary->parameters) {
    R1_CHECK(summary->parameters->active <= summary->parameters->total);
  }
  static r1::Context ctx(r1::Isa::kRef, 1);
  if (const auto model = r1::Model::load(*file, {}, ctx); !model)
    R1_CHECK(!model.error().message.empty());
  // A shape that is read is one whose tensors and bytes can be counted, whatever its numbers.
  if (const auto shape = r1::read_shape(*file)) {
    R1_CHECK(r1::count_parameters(*shape).total < uint64_t{1} << 61);
    for (const r1::FitRow& row : r1::fit_all(*shape, {.memory = size << 20, .read_gbps = 1}, 0)) {
      R1_CHECK(row.resident <= row.weights && row.context <= INT32_MAX);
    }
  }
  if (const auto converted = r1::hf_to_gguf(*file); !converted)
    R1_CHECK(!converted.error().message.empty());
  return 0;
}
