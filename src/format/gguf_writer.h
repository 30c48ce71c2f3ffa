// Writes a GGUF v3 file front to back: header, metadata, tensor infos, then each tensor's bytes as
// they come. Memory: the header only. The file appears whole at finish() or not at all. Source: the
// GGUF specification (ggml docs/gguf.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "format/weight_file.h"
#include "quant/dtype.h"

namespace r1 {

struct GgufArray;
// In the order of GGUF's type ids (0 u8 ... 12 f64), so index() is the id.
using GgufValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool,
                               std::string, GgufArray, uint64_t, int64_t, double>;
template <class... Ts>
using GgufVectors = std::variant<std::vector<Ts>...>;
// All elements of one type; the same order.
struct GgufArray {
  GgufVectors<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool, std::string,
              GgufArray, uint64_t, int64_t, double>
      items;
};

using GgufMetadata = std::vector<std::pair<std::string, GgufValue>>;

// A value read from a file in the type it is written in. Readers ask for exact types, llama.cpp for
// 32 bits almost everywhere, and WeightFile has widened them: numbers become 32 bits wide where
// that loses nothing.
GgufValue gguf_value(const MetaValue& value);

struct GgufTensor {
  std::string name;  // at most 63 bytes, llama.cpp's limit
  DType dtype;
  std::vector<int64_t> shape;  // row-major, at most 4 dimensions
};

class GgufWriter {
 public:
  // Writes everything before the tensors' data. Refuses dtypes without a GGUF id and shapes of part
  // blocks.
  static Result<GgufWriter> create(const std::string& path, const GgufMetadata& metadata,
                                   std::vector<GgufTensor> tensors);

  // The next bytes of the data, tensor after tensor in the order given to create().
  Result<void> write(std::span<const std::byte> bytes);

  // After the last tensor's last byte: makes the file durable and gives it its name. Returns its
  // size.
  Result<uint64_t> finish();

 private:
  GgufWriter(AtomicFile file, std::vector<uint64_t> sizes)
      : file_(std::move(file)), sizes_(std::move(sizes)) {}

  AtomicFile file_;
  std::vector<uint64_t> sizes_;  // bytes of each tensor
  size_t tensor_ = 0;            // the one being written
  uint64_t written_ = 0;         // bytes of it
};

}  // namespace r1
