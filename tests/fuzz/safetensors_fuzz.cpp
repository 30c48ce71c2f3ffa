// Any bytes as a safetensors file: an error, or tensors that cover the data and whose every byte
// can be read.
#include <cstdint>

#include "format/parameters.h"
#include "format/safetensors.h"
#include "format/weight_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto contents = r1::parse_safetensors(bytes);
  if (!contents) return 0;
  uint64_t sum = 0, covered = 0;
  for (const auto& tensor : contents->tensors) {
    for (const std::byte b : tensor.bytes) sum += static_cast<uint8_t>(b);
    covered += tensor.bytes.size();
  }
  R1_CHECK(covered <= size);
  const auto file = r1::WeightFile::from_memory("fuzz.safetensors", bytes);
  if (file && covered > 0) R1_CHECK(r1::count_parameters(*file));
  volatile uint64_t kept = sum;
  (void)kept;
  return 0;
}
