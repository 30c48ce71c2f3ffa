#include "format/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/checked.h"
#include "format/names.h"

namespace r1 {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read as it lies");

enum ValueType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBoolean,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
  kValueTypes
};

// The fewest bytes a value of each type takes: what bounds a count before anything is allocated for
// it.
constexpr std::array<uint64_t, kValueTypes> kLeastBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
constexpr uint64_t kLeastKeyValue = 8 + 4 + 1;
constexpr uint64_t kLeastTensor = 8 + 4 + 4 + 8;

// Walks the header; every read names what it wanted when the file ends before it.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }

  Result<std::span<const std::byte>> take(uint64_t count, std::string_view what) {
    if (count > left()) {
      return error("{}: {} bytes at offset {} reach past the end of the file ({} bytes)",
                   visible(what), count, position_, bytes_.size());
    }
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  template <class T>
  Result<T> number(std::string_view what) {
    R1_TRY(const auto bytes, take(sizeof(T), what));
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }

  // How many things of at least `least` bytes follow: no more than the file has room for.
  Result<uint64_t> count(std::string_view what, uint64_t least, uint64_t limit) {
    R1_TRY(const auto count, number<uint64_t>(what));
    if (count > limit) return error("{}: {}, the limit is {}", visible(what), count, limit);
    if (count > left() / least) {
      return error("{}: {} of them reach past the end of the file ({} bytes left)", visible(what),
                   count, left());
    }
    return count;
  }

  Result<std::string_view> string(std::string_view what, uint64_t limit = UINT64_MAX) {
    R1_TRY(const auto length, number<uint64_t>(what));
    if (length > limit)
      return error("{}: {} bytes long, the limit is {}", visible(what), length, limit);
    R1_TRY(const auto bytes, take(length, what));
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

 private:
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
};

// A key or a tensor's name.
Result<std::string> read_name(Reader& reader, std::string_view what, uint64_t limit) {
  R1_TRY(const auto name, reader.string(what, limit));
  R1_DO(check_name(what, name, limit));
  return std::string(name);
}

Result<bool> read_bool(Reader& reader, std::string_view key) {
  R1_TRY(const auto byte, reader.number<uint8_t>(key));
  if (byte > 1) return error("{}: {} is not a bool (0 or 1)", visible(key), byte);
  return byte == 1;
}

// An array of `count` numbers stored as Stored and kept as Kept.
template <class Stored, class Kept>
Result<MetaArray> read_numbers(Reader& reader, std::string_view key, uint64_t count) {
  std::vector<Kept> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    R1_TRY(const Stored value, reader.number<Stored>(key));
    values.push_back(static_cast<Kept>(value));
  }
  return MetaArray{std::move(values)};
}

Result<MetaValue> read_value(Reader& reader, std::string_view key, uint32_t type, int depth);

Result<MetaArray> read_items(Reader& reader, std::string_view key, uint32_t type, uint64_t count,
                             int depth) {
  switch (type) {
    case kUint8:
      return read_numbers<uint8_t, uint64_t>(reader, key, count);
    case kUint16:
      return read_numbers<uint16_t, uint64_t>(reader, key, count);
    case kUint32:
      return read_numbers<uint32_t, uint64_t>(reader, key, count);
    case kUint64:
      return read_numbers<uint64_t, uint64_t>(reader, key, count);
    case kInt8:
      return read_numbers<int8_t, int64_t>(reader, key, count);
    case kInt16:
      return read_numbers<int16_t, int64_t>(reader, key, count);
    case kInt32:
      return read_numbers<int32_t, int64_t>(reader, key, count);
    case kInt64:
      return read_numbers<int64_t, int64_t>(reader, key, count);
    case kFloat32:
      return read_numbers<float, double>(reader, key, count);
    case kFloat64:
      return read_numbers<double, double>(reader, key, count);
    case kBoolean: {
      std::vector<bool> values;
      for (uint64_t i = 0; i < count; ++i) {
        R1_TRY(const bool value, read_bool(reader, key));
        values.push_back(value);
      }
      return MetaArray{std::move(values)};
    }
    case kString: {
      std::vector<std::string_view> values;
      values.reserve(count);
      for (uint64_t i = 0; i < count; ++i) {
        R1_TRY(const auto value, reader.string(key));
        values.push_back(value);
      }
      return MetaArray{std::move(values)};
    }
    default: {  // kArray
      std::vector<MetaValue> values;
      values.reserve(count);
      for (uint64_t i = 0; i < count; ++i) {
        R1_TRY(auto value, read_value(reader, key, kArray, depth + 1));
        values.push_back(std::move(value));
      }
      return MetaArray{std::move(values)};
    }
  }
}

Result<MetaValue> read_array(Reader& reader, std::string_view key, int depth) {
  if (depth > kGgufNestingLimit) {
    return error("{}: arrays nested more than {} deep", visible(key), kGgufNestingLimit);
  }
  R1_TRY(const auto type, reader.number<uint32_t>(key));
  if (type >= kValueTypes) {
    return error("{}: array element type {} is unknown; GGUF has 0 to {}", visible(key), type,
                 kValueTypes - 1);
  }
  R1_TRY(const auto count, reader.count(key, kLeastBytes[type], kGgufArrayLimit));
  R1_TRY(auto items, read_items(reader, key, type, count, depth));
  return MetaValue(std::make_shared<const MetaArray>(std::move(items)));
}

template <class Stored, class Kept>
Result<MetaValue> read_scalar(Reader& reader, std::string_view key) {
  R1_TRY(const Stored value, reader.number<Stored>(key));
  return MetaValue(static_cast<Kept>(value));
}

Result<MetaValue> read_value(Reader& reader, std::string_view key, uint32_t type, int depth) {
  switch (type) {
    case kUint8:
      return read_scalar<uint8_t, uint64_t>(reader, key);
    case kUint16:
      return read_scalar<uint16_t, uint64_t>(reader, key);
    case kUint32:
      return read_scalar<uint32_t, uint64_t>(reader, key);
    case kUint64:
      return read_scalar<uint64_t, uint64_t>(reader, key);
    case kInt8:
      return read_scalar<int8_t, int64_t>(reader, key);
    case kInt16:
      return read_scalar<int16_t, int64_t>(reader, key);
    case kInt32:
      return read_scalar<int32_t, int64_t>(reader, key);
    case kInt64:
      return read_scalar<int64_t, int64_t>(reader, key);
    case kFloat32:
      return read_scalar<float, double>(reader, key);
    case kFloat64:
      return read_scalar<double, double>(reader, key);
    case kBoolean: {
      R1_TRY(const bool value, read_bool(reader, key));
      return MetaValue(value);
    }
    case kString: {
      R1_TRY(const auto value, reader.string(key));
      return MetaValue(std::string(value));
    }
    case kArray:
      return read_array(reader, key, depth);
    default:
      return error("{}: value type {} is unknown; GGUF has 0 to {}", visible(key), type,
                   kValueTypes - 1);
  }
}

Result<Metadata> read_metadata(Reader& reader, uint64_t count) {
  Metadata metadata;
  metadata.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    R1_TRY(auto key, read_name(reader, "metadata key", kGgufKeyLimit));
    R1_TRY(const auto type, reader.number<uint32_t>(key));
    R1_TRY(auto value, read_value(reader, key, type, 1));
    metadata.emplace_back(std::move(key), std::move(value));
  }
  return metadata;
}

Result<uint64_t> read_alignment(const Metadata& metadata) {
  constexpr std::string_view kKey = "general.alignment";
  const auto found =
      std::find_if(metadata.begin(), metadata.end(), [&](auto& kv) { return kv.first == kKey; });
  if (found == metadata.end()) return uint64_t{32};
  const auto* value = std::get_if<uint64_t>(&found->second);
  if (!value) return error("{}: not an unsigned integer", kKey);
  if (!std::has_single_bit(*value) || *value > kGgufAlignmentLimit) {
    return error("{}: {} is not a power of two up to {}", kKey, *value, kGgufAlignmentLimit);
  }
  return *value;
}

Error unknown_type(std::string_view name, uint32_t id) {
  // Types of ggml that have no decoder here, so that a refusal can say which one it met.
  constexpr std::array<std::pair<uint32_t, std::string_view>, 14> kOthers = {{{9, "Q8_1"},
                                                                              {15, "Q8_K"},
                                                                              {16, "IQ2_XXS"},
                                                                              {17, "IQ2_XS"},
                                                                              {18, "IQ3_XXS"},
                                                                              {19, "IQ1_S"},
                                                                              {21, "IQ3_S"},
                                                                              {22, "IQ2_S"},
                                                                              {29, "IQ1_M"},
                                                                              {34, "TQ1_0"},
                                                                              {35, "TQ2_0"},
                                                                              {40, "NVFP4"},
                                                                              {41, "Q1_0"},
                                                                              {42, "Q2_0"}}};
  std::string known;
  for (const DTypeInfo& t : all_dtypes()) {
    if (t.gguf_id >= 0) known += fmt::format("{}{}", known.empty() ? "" : " ", t.name);
  }
  const auto* other =
      std::find_if(kOthers.begin(), kOthers.end(), [&](auto& o) { return o.first == id; });
  const std::string label =
      other == kOthers.end() ? fmt::format("{}", id) : fmt::format("{} ({})", other->second, id);
  return error("tensor {}: type {} cannot be read; the types that can: {}", name, label, known);
}

struct Placed {
  TensorInfo tensor;
  uint64_t offset, size;  // relative to the start of the data
};

Result<Placed> read_tensor(Reader& reader) {
  R1_TRY(auto name, read_name(reader, "tensor name", kGgufNameLimit));
  const std::string what = "tensor " + visible(name);
  R1_TRY(const auto n_dims, reader.number<uint32_t>(what));
  if (n_dims > kGgufDimsLimit)
    return error("{}: {} dimensions, the limit is {}", what, n_dims, kGgufDimsLimit);
  std::vector<int64_t> shape(n_dims);
  uint64_t rows = 1, cols = 1;
  for (uint32_t i = 0; i < n_dims; ++i) {
    R1_TRY(const auto size, reader.number<uint64_t>(what));
    if (size == 0 || size > INT64_MAX)
      return error("{}: dimension {} is {}, allowed are 1 to {}", what, i, size, INT64_MAX);
    if (i == 0)
      cols = size;
    else if (const auto product = checked_mul(rows, size))
      rows = *product;
    else
      return error("{}: the product of its dimensions does not fit in 64 bits", what);
    shape[n_dims - 1 - i] = static_cast<int64_t>(size);  // GGUF writes the innermost first
  }
  R1_TRY(const auto type_id, reader.number<uint32_t>(what));
  const auto type = dtype_from_gguf(type_id);
  if (!type) return unknown_type(visible(name), type_id);
  if (cols % static_cast<uint64_t>(info(*type).block) != 0) {
    return error("{}: rows of {} elements are no multiple of {}'s blocks of {}", what, cols,
                 info(*type).name, info(*type).block);
  }
  const auto size = stored_bytes(*type, rows, cols);
  if (!size) return error("{}: its size in bytes does not fit in 64 bits", what);
  R1_TRY(const auto offset, reader.number<uint64_t>(what));
  return Placed{{std::move(name), *type, std::move(shape), {}}, offset, *size};
}

// Gives each tensor its bytes; they are aligned, inside `data`, and no two share any.
Result<std::vector<TensorInfo>> place(std::vector<Placed> placed, std::span<const std::byte> data,
                                      uint64_t alignment) {
  std::vector<TensorInfo> tensors;
  tensors.reserve(placed.size());
  std::vector<const Placed*> by_offset;
  by_offset.reserve(placed.size());
  for (Placed& p : placed) {
    const std::string what = "tensor " + visible(p.tensor.name);
    if (p.offset % alignment != 0) {
      return error("{}: offset {} is no multiple of the alignment {}", what, p.offset, alignment);
    }
    if (p.offset > data.size() || p.size > data.size() - p.offset) {
      return error("{}: offset {} + {} bytes reaches past the end of the file's data ({} bytes)",
                   what, p.offset, p.size, data.size());
    }
    p.tensor.bytes = data.subspan(p.offset, p.size);
    by_offset.push_back(&p);
  }
  std::sort(by_offset.begin(), by_offset.end(),
            [](auto* a, auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const Placed &a = *by_offset[i - 1], &b = *by_offset[i];
    if (b.offset - a.offset < a.size) {
      return error("tensor {}: offset {} lies inside tensor {} ({} bytes from {})",
                   visible(b.tensor.name), b.offset, visible(a.tensor.name), a.size, a.offset);
    }
  }
  for (Placed& p : placed) tensors.push_back(std::move(p.tensor));
  return tensors;
}

}  // namespace

Result<FileContents> parse_gguf(std::span<const std::byte> file) {
  Reader reader(file);
  R1_TRY(const auto magic, reader.take(4, "magic"));
  if (std::memcmp(magic.data(), "GGUF", 4) != 0)
    return error("magic: the file does not start with GGUF");
  R1_TRY(const auto version, reader.number<uint32_t>("version"));
  if (version != 2 && version != 3) {
    return error("version {} cannot be read; versions 2 and 3 can, in little-endian order",
                 version);
  }
  R1_TRY(const auto n_tensors, reader.count("tensor_count", kLeastTensor, kGgufTensorsLimit));
  R1_TRY(const auto n_values, reader.count("metadata_kv_count", kLeastKeyValue, kGgufValuesLimit));
  R1_TRY(auto metadata, read_metadata(reader, n_values));
  R1_TRY(const auto alignment, read_alignment(metadata));
  std::vector<Placed> placed;
  placed.reserve(n_tensors);
  for (uint64_t i = 0; i < n_tensors; ++i) {
    R1_TRY(auto tensor, read_tensor(reader));
    placed.push_back(std::move(tensor));
  }
  const uint64_t data = (reader.position() + alignment - 1) / alignment * alignment;
  const auto bytes = data < file.size() ? file.subspan(data) : std::span<const std::byte>();
  R1_TRY(auto tensors, place(std::move(placed), bytes, alignment));
  return FileContents{std::move(metadata), std::move(tensors)};
}

}  // namespace r1
