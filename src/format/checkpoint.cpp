#include "format/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "format/hf_to_gguf.h"
#include "quant/fp8.h"

namespace r1 {
namespace {

// About the file that was, not the model.
bool about_the_container(std::string_view key) {
  return key == "general.file_type" || key == "general.quantization_version" ||
         key == "general.alignment" || key.starts_with("split.");
}

Result<Checkpoint> from_gguf(const WeightFile& file) {
  Checkpoint checkpoint;
  for (const auto& [key, value] : file.metadata()) {
    if (!about_the_container(key)) checkpoint.metadata.emplace_back(key, gguf_value(value));
  }
  R1_TRY(const auto architecture, file.text("general.architecture"));
  if (!architecture)
    return error("{}: no general.architecture: it does not say what model it is", file.path());
  R1_TRY(const auto n_layers, file.integer(*architecture + ".block_count"));
  checkpoint.n_layers = n_layers.value_or(0);
  for (const TensorInfo& t : file.tensors()) {
    checkpoint.tensors.push_back(SourceTensor{.name = t.name, .shape = t.shape, .stored = &t});
  }
  return checkpoint;
}

}  // namespace

int64_t SourceTensor::rows() const {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

void SourceTensor::read_rows(int64_t begin, int64_t end, float* values) const {
  const int64_t n = cols();
  if (!stored) {
    std::copy(computed.begin() + begin * n, computed.begin() + end * n, values);
    return;
  }
  const DTypeInfo& type = info(stored->dtype);
  const int64_t row_bytes = n / type.block * type.block_bytes;
  const int64_t head_dim = interleaved_heads > 0 ? rows() / interleaved_heads : 0;
  for (int64_t row = begin; row < end; ++row, values += n) {
    int64_t from = row;
    if (head_dim > 0) {
      const int64_t in_head = row % head_dim;
      from += in_head % 2 * (head_dim / 2) + in_head / 2 - in_head;
    }
    if (scale_inv) {
      decode_fp8_rows(stored->bytes.data(), scale_inv->bytes.data(), n, from, from + 1, values);
    } else {
      type.decode(stored->bytes.data() + from * row_bytes, values, static_cast<size_t>(n));
    }
  }
}

Result<Checkpoint> read_checkpoint(const WeightFile& file) {
  R1_TRY(Checkpoint checkpoint,
         file.container() == Container::kGguf ? from_gguf(file) : hf_to_gguf(file));
  for (const SourceTensor& t : checkpoint.tensors) {
    if (t.stored && !info(t.stored->dtype).decode) {
      return error("{}: elements of type {} are no weights", t.name, info(t.stored->dtype).name);
    }
    if (t.shape.empty() ||
        std::any_of(t.shape.begin(), t.shape.end(), [](int64_t dim) { return dim < 1; })) {
      return error("{}: shape [{}], every weight has elements", t.name, fmt::join(t.shape, ", "));
    }
  }
  return checkpoint;
}

}  // namespace r1
