// Any bytes as a GGUF file: an error, or tensors whose every byte can be read.
#include <cstdint>

#include "format/gguf_split.h"
#include "format/summary.h"
#include "format/weight_file.h"
#include "infer/fit.h"
#include "model/model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = r1::WeightFile::from_memory("fuzz.gguf", std::as_bytes(std::span(data, size)));
  if (!file) return 0;
  uint64_t sum = 0;
  for (const auto& tensor : file->tensors()) {
    for (const std::byte b : tensor.bytes) sum += static_cast<uint8_t>(b);
    R1_CHECK(file->find(tensor.name) == &tensor);
  }
  for (const auto& [key, value] : file->metadata()) {
    R1_CHECK(file->meta(key) == &value);
    if (const auto n = file->integer(key); n && *n) sum += static_cast<uint64_t>(**n);
    if (const auto x = file->number(key); x && *x) sum += **x > 0;
  }
  const r1::Metadata metadata(file->metadata().begin(), file->metadata().end());
  if (const auto split = r1::split_of(metadata)) sum += split->count;
  if (const auto summary = r1::summarize(*file); summary && summary->parameters) {
    R1_CHECK(summary->parameters->active <= summary->parameters->total);
  }
  if (const auto shape = r1::read_shape(*file)) {
    const r1::FitRow row = r1::fit_file(*shape, *file, {.memory = size, .read_gbps = 1}, 0);
    R1_CHECK(row.resident <= row.weights);
  }
  volatile uint64_t kept = sum;  // so that nothing of the above is optimized away
  (void)kept;
  static r1::Context ctx(r1::Isa::kRef, 1);
  if (const auto model = r1::Model::load(*file, {}, ctx); !model)
    R1_CHECK(!model.error().message.empty());
  return 0;
}
