// A checkpoint as the GGUF file it will become: metadata with GGUF's keys, and tensors with GGUF's
// names in order, each of which knows where its rows come from. What a GGUF file holds is taken
// over; a Hugging Face folder of a llama, qwen2 or qwen3 model is translated (hf_to_gguf.cpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "format/gguf_writer.h"
#include "format/weight_file.h"

namespace r1 {

struct SourceTensor {
  std::string name;                       // GGUF's
  std::vector<int64_t> shape;             // row-major
  const TensorInfo* stored = nullptr;     // null: the values are `computed`
  const TensorInfo* scale_inv = nullptr;  // block scales of an FP8 tensor
  int64_t interleaved_heads =
      0;  // > 0: rows of each head go from halves to pairs: [2, d/2] -> [d/2, 2]
  std::vector<float> computed{};

  int64_t cols() const { return shape.back(); }
  int64_t rows() const;

  // Exact values of rows [begin, end), [end - begin, cols].
  void read_rows(int64_t begin, int64_t end, float* values) const;
  // The stored rows serve as they are if kept in their type.
  bool verbatim() const { return stored && !scale_inv && interleaved_heads == 0; }
};

struct Checkpoint {
  GgufMetadata metadata;  // without general.file_type and general.quantization_version
  std::vector<SourceTensor> tensors;
  int64_t n_layers = 0;
};

// Borrows `file`. Errors name the tensor or key that is missing, unknown or of the wrong shape.
Result<Checkpoint> read_checkpoint(const WeightFile& file);

}  // namespace r1
