#include "format/gguf_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <type_traits>

#include "base/checked.h"

namespace r1 {
namespace {

constexpr uint64_t kAlignment = 32;  // GGUF's default, so no key is needed
constexpr size_t kMaxName = 63;
constexpr size_t kMaxDimensions = 4;

static_assert(std::endian::native == std::endian::little);
static_assert(std::is_same_v<std::variant_alternative_t<12, GgufValue>, double>);
static_assert(std::is_same_v<std::variant_alternative_t<8, GgufValue>, std::string>);

uint64_t padding(uint64_t at) { return (kAlignment - at % kAlignment) % kAlignment; }

void put(std::string& out, const std::string& text);
void put(std::string& out, const GgufArray& array);

template <class T>
requires std::is_arithmetic_v<T>
void put(std::string& out, T value) {
  const auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(value);
  out.append(bytes.data(), bytes.size());
}

void put(std::string& out, const std::string& text) {
  put(out, static_cast<uint64_t>(text.size()));
  out += text;
}

void put(std::string& out, const GgufArray& array) {
  put(out, static_cast<uint32_t>(array.items.index()));
  std::visit(
      [&](const auto& items) {
        put(out, static_cast<uint64_t>(items.size()));
        for (const auto& item : items)
          put(out, static_cast<const typename std::decay_t<decltype(items)>::value_type&>(item));
      },
      array.items);
}

template <class Narrow, class Wide>
bool fits(const Wide& value) {
  return static_cast<Wide>(static_cast<Narrow>(value)) == value;
}

bool fits_float(double value) {
  return value != value || std::abs(value) == std::numeric_limits<double>::infinity() ||
         (std::abs(value) <= std::numeric_limits<float>::max() && fits<float>(value));
}

// `values` as 32-bit numbers if all of them fit, else as they are.
template <class Narrow, class Wide, class Fits>
GgufArray narrowed(const std::vector<Wide>& values, Fits all_fit) {
  if (!std::all_of(values.begin(), values.end(), all_fit)) return {values};
  std::vector<Narrow> narrow;
  narrow.reserve(values.size());
  for (const Wide value : values) narrow.push_back(static_cast<Narrow>(value));
  return {std::move(narrow)};
}

GgufArray gguf_array(const std::vector<bool>& values) { return {values}; }
GgufArray gguf_array(const std::vector<int64_t>& values) {
  return narrowed<int32_t>(values, fits<int32_t, int64_t>);
}
GgufArray gguf_array(const std::vector<uint64_t>& values) {
  return narrowed<uint32_t>(values, fits<uint32_t, uint64_t>);
}
GgufArray gguf_array(const std::vector<double>& values) {
  return narrowed<float>(values, fits_float);
}
GgufArray gguf_array(const std::vector<std::string_view>& values) {
  return {std::vector<std::string>(values.begin(), values.end())};
}
GgufArray gguf_array(const std::vector<MetaValue>& values) {
  std::vector<GgufArray> arrays;  // WeightFile keeps only nested arrays as values
  for (const MetaValue& value : values) {
    GgufValue v = gguf_value(value);
    if (auto* array = std::get_if<GgufArray>(&v)) arrays.push_back(std::move(*array));
  }
  return {std::move(arrays)};
}

struct ToGguf {
  GgufValue operator()(bool v) const { return v; }
  GgufValue operator()(int64_t v) const {
    return fits<int32_t>(v) ? GgufValue(static_cast<int32_t>(v)) : GgufValue(v);
  }
  GgufValue operator()(uint64_t v) const {
    return fits<uint32_t>(v) ? GgufValue(static_cast<uint32_t>(v)) : GgufValue(v);
  }
  GgufValue operator()(double v) const {
    return fits_float(v) ? GgufValue(static_cast<float>(v)) : GgufValue(v);
  }
  GgufValue operator()(const std::string& v) const { return v; }
  GgufValue operator()(const std::shared_ptr<const MetaArray>& v) const {
    return std::visit([](const auto& items) { return gguf_array(items); }, v->items);
  }
};

// The bytes of a tensor, or why it cannot be one.
Result<uint64_t> tensor_bytes(const GgufTensor& t) {
  const DTypeInfo& type = info(t.dtype);
  if (type.gguf_id < 0) return error("{}: GGUF has no type {}", t.name, type.name);
  if (t.name.size() > kMaxName) {
    return error("{}: a tensor name of {} bytes, the limit is {}", t.name, t.name.size(), kMaxName);
  }
  if (t.shape.empty() || t.shape.size() > kMaxDimensions) {
    return error("{}: {} dimensions, GGUF holds 1 to {}", t.name, t.shape.size(), kMaxDimensions);
  }
  std::optional<uint64_t> rows = 1;
  for (size_t i = 0; i + 1 < t.shape.size() && rows; ++i)
    rows = checked_mul(*rows, static_cast<uint64_t>(t.shape[i]));
  const auto cols = static_cast<uint64_t>(t.shape.back());
  const auto bytes = rows ? stored_bytes(t.dtype, *rows, cols) : std::nullopt;
  if (!bytes)
    return error("{}: rows of {} elements cannot be {} (blocks of {})", t.name, cols, type.name,
                 type.block);
  return *bytes;
}

}  // namespace

GgufValue gguf_value(const MetaValue& value) { return std::visit(ToGguf{}, value); }

Result<GgufWriter> GgufWriter::create(const std::string& path, const GgufMetadata& metadata,
                                      std::vector<GgufTensor> tensors) {
  std::string header = "GGUF";
  put(header, uint32_t{3});
  put(header, static_cast<uint64_t>(tensors.size()));
  put(header, static_cast<uint64_t>(metadata.size()));
  for (const auto& [key, value] : metadata) {
    put(header, key);
    put(header, static_cast<uint32_t>(value.index()));
    std::visit([&](const auto& v) { put(header, v); }, value);
  }
  std::vector<uint64_t> sizes;
  uint64_t offset = 0;
  for (const GgufTensor& t : tensors) {
    R1_TRY(const uint64_t bytes, tensor_bytes(t));
    put(header, t.name);
    put(header, static_cast<uint32_t>(t.shape.size()));
    for (auto dim = t.shape.rbegin(); dim != t.shape.rend(); ++dim)
      put(header, static_cast<uint64_t>(*dim));
    put(header, static_cast<uint32_t>(info(t.dtype).gguf_id));
    put(header, offset);
    sizes.push_back(bytes);
    offset += bytes + padding(bytes);
  }
  header.append(padding(header.size()), '\0');
  R1_TRY(auto file, AtomicFile::create(path));
  R1_DO(file.write(header));
  return GgufWriter(std::move(file), std::move(sizes));
}

Result<void> GgufWriter::write(std::span<const std::byte> bytes) {
  static constexpr std::array<std::byte, kAlignment> kZeros{};
  while (!bytes.empty()) {
    R1_CHECK(tensor_ < sizes_.size());
    const uint64_t size = sizes_[tensor_];
    const auto part = bytes.first(std::min<uint64_t>(bytes.size(), size - written_));
    R1_DO(file_.write(part));
    bytes = bytes.subspan(part.size());
    written_ += part.size();
    if (written_ < size) continue;
    R1_DO(file_.write(std::span(kZeros).first(padding(size))));
    ++tensor_;
    written_ = 0;
  }
  return {};
}

Result<uint64_t> GgufWriter::finish() {
  R1_CHECK(std::all_of(sizes_.begin() + static_cast<ptrdiff_t>(tensor_), sizes_.end(),
                       [](uint64_t size) { return size == 0; }));
  const uint64_t size = file_.size();
  R1_DO(file_.commit());
  return size;
}

}  // namespace r1
