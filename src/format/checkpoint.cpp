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
  // Some architectures say them layer by layer; then the mixes' rule for shared heads is not for
  // them.
  const auto heads = file.integer(*architecture + ".attention.head_count");
  const auto kv_heads = file.integer(*architecture + ".attention.head_count_kv");
  if (heads && kv_heads && *heads && kv_heads->value_or(0) > 0)
    checkpoint.gqa = **heads / **kv_heads;
  for (const TensorInfo& t : file.tensors()) {
    checkpoint.tensors.push_back(
        SourceTensor{.name = t.name, .shape = t.shape, .parts = {{.tensor = &t}}});
  }
  return checkpoint;
}

// Rows [begin, end) of a stored matrix of `cols` columns.
void decode_rows(const StoredTensor& stored, int64_t cols, int64_t begin, int64_t end,
                 float* values) {
  const std::byte* bytes = stored.tensor->bytes.data();
  if (stored.scale_inv)
    return decode_fp8_rows(bytes, stored.scale_inv->bytes.data(), cols, begin, end, values);
  const DTypeInfo& type = info(stored.tensor->dtype);
  const int64_t row_bytes = cols / type.block * type.block_bytes;
  type.decode(bytes + begin * row_bytes, values, static_cast<size_t>((end - begin) * cols));
}

}  // namespace

int64_t SourceTensor::rows() const {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

void SourceTensor::read_rows(int64_t begin, int64_t end, float* values) const {
  const int64_t n = cols();
  if (parts.empty()) {
    std::copy(computed.begin() + begin * n, computed.begin() + end * n, values);
    return;
  }
  if (head_rows && head_rows->transposed) return read_transposed(begin, end, values);
  const int64_t part_rows = rows() / static_cast<int64_t>(parts.size());
  const int64_t head_dim = interleaved_heads > 0 ? rows() / interleaved_heads : 0;
  for (int64_t row = begin; row < end; ++row, values += n) {
    const StoredTensor& part = parts[static_cast<size_t>(row / part_rows)];
    int64_t from = row % part_rows;
    if (head_dim > 0) {
      const int64_t in_head = row % head_dim;
      from += in_head % 2 * (head_dim / 2) + in_head / 2 - in_head;
    }
    if (head_rows) {
      const int64_t head = row / head_rows->count;
      from = head * head_rows->stride + head_rows->first + row % head_rows->count;
    }
    decode_rows(part, n, from, from + 1, values);
  }
}

// values[r, j] = stored[j, r] of the head that row r belongs to.
void SourceTensor::read_transposed(int64_t begin, int64_t end, float* values) const {
  const int64_t count = head_rows->count, width = rows() * cols() / (shape[0] * count);
  std::vector<float> head(static_cast<size_t>(count * width));
  int64_t decoded = -1;
  for (int64_t row = begin; row < end; ++row, values += count) {
    const int64_t h = row / width, column = row % width;
    if (h != decoded) {
      const int64_t from = h * head_rows->stride + head_rows->first;
      decode_rows(parts[0], width, from, from + count, head.data());
      decoded = h;
    }
    for (int64_t j = 0; j < count; ++j) values[j] = head[static_cast<size_t>(j * width + column)];
  }
}

const TensorInfo* SourceTensor::verbatim() const {
  const bool plain =
      parts.size() == 1 && !parts[0].scale_inv && interleaved_heads == 0 && !head_rows;
  return plain ? parts[0].tensor : nullptr;
}

Result<Checkpoint> read_checkpoint(const WeightFile& file) {
  R1_TRY(Checkpoint checkpoint,
         file.container() == Container::kGguf ? from_gguf(file) : hf_to_gguf(file));
  for (const SourceTensor& t : checkpoint.tensors) {
    for (const StoredTensor& part : t.parts) {
      const DTypeInfo& type = info(part.tensor->dtype);
      if (!type.decode) return error("{}: elements of type {} are no weights", t.name, type.name);
    }
    if (t.shape.empty() ||
        std::any_of(t.shape.begin(), t.shape.end(), [](int64_t dim) { return dim < 1; })) {
      return error("{}: shape [{}], every weight has elements", t.name, fmt::join(t.shape, ", "));
    }
  }
  return checkpoint;
}

}  // namespace r1
