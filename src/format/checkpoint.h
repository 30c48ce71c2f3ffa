// A checkpoint as the GGUF file it will become: metadata with GGUF's keys, and tensors with GGUF's
// names in order, each of which knows where its rows come from. What a GGUF file holds is taken
// over; a Hugging Face folder is translated (hf_to_gguf.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "format/gguf_writer.h"
#include "format/weight_file.h"

namespace r1 {

// A tensor of the file, with the block scales of an FP8 one.
struct StoredTensor {
  const TensorInfo* tensor = nullptr;
  const TensorInfo* scale_inv = nullptr;
};

// Of a matrix that holds `stride` rows for every head: `count` of them, from `first` on.
struct HeadRows {
  int64_t stride, first, count;
  bool transposed;  // within each head
};

struct SourceTensor {
  std::string name;                   // GGUF's
  std::vector<int64_t> shape;         // row-major
  std::vector<StoredTensor> parts{};  // equal ones, one below the other; none: `computed`
  int64_t interleaved_heads =
      0;  // > 0: rows of each head go from halves to pairs: [2, d/2] -> [d/2, 2]
  std::optional<HeadRows> head_rows{};
  std::vector<float> computed{};

  int64_t cols() const { return shape.back(); }
  int64_t rows() const;

  // Exact values of rows [begin, end), [end - begin, cols].
  void read_rows(int64_t begin, int64_t end, float* values) const;
  // The stored rows of one part, if they serve as they are when kept in their type.
  const TensorInfo* verbatim() const;

 private:
  void read_transposed(int64_t begin, int64_t end, float* values) const;
};

struct Checkpoint {
  GgufMetadata metadata;  // without general.file_type and general.quantization_version
  std::vector<SourceTensor> tensors;
  int64_t n_layers = 0, gqa = 1;  // query heads per key head
};

// Borrows `file`. Errors name the tensor or key that is missing, unknown or of the wrong shape.
Result<Checkpoint> read_checkpoint(const WeightFile& file);

}  // namespace r1
