#include "format/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/checked.h"
#include "format/json_events.h"
#include "format/names.h"

namespace r1 {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors is read as it lies");

// One entry of the header as it is written.
struct Entry {
  std::string name;
  std::optional<DType> dtype;
  std::optional<std::vector<int64_t>> shape, offsets;
};

Result<DType> read_dtype(std::string_view tensor, std::string_view name) {
  constexpr DType kStored[] = {DType::kF64,    DType::kF32, DType::kF16, DType::kBF16,
                               DType::kF8E4M3, DType::kI64, DType::kI32, DType::kI16,
                               DType::kI8,     DType::kU8,  DType::kBool};
  std::string known;
  for (const DType type : kStored) {
    if (info(type).name == name) return type;
    known += fmt::format(" {}", info(type).name);
  }
  return error("tensor {}: dtype {} cannot be read; those that can:{}", visible(tensor),
               visible(name), known);
}

// {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"key":
// "text"}}
class HeaderVisitor : public JsonVisitor {
 public:
  std::vector<Entry> entries;
  Metadata metadata;

  Result<void> begin_object() override {
    if (++depth_ > 2) return unexpected("an object");
    return {};
  }

  Result<void> end_object() override {
    if (depth_-- == 2 && !in_metadata_) {
      const Entry& e = entries.back();
      const char* missing = !e.dtype     ? "dtype"
                            : !e.shape   ? "shape"
                            : !e.offsets ? "data_offsets"
                                         : nullptr;
      if (missing) return error("tensor {}: {} is missing", visible(e.name), missing);
    }
    return {};
  }

  Result<void> key(std::string& name) override {
    if (depth_ == 1) return begin_entry(name);
    field_ = std::move(name);
    return {};
  }

  Result<void> begin_array() override {
    auto* list = depth_ == 2 && !in_metadata_ && !list_ ? field_list() : nullptr;
    if (!list) return unexpected("an array");
    if (*list) return error("tensor {}: {} appears twice", visible(entries.back().name), field_);
    list_ = &list->emplace();
    return {};
  }

  Result<void> end_array() override {
    list_ = nullptr;
    return {};
  }

  Result<void> scalar(JsonScalar value) override {
    if (list_) return list_item(value);
    const auto* text = std::get_if<std::string>(&value);
    if (!text || depth_ != 2) return unexpected("a bare value");
    if (in_metadata_) {
      metadata.emplace_back("__metadata__." + field_, *text);
      return {};
    }
    if (field_ != "dtype") return unexpected("a text");
    Entry& e = entries.back();
    if (e.dtype) return error("tensor {}: dtype appears twice", visible(e.name));
    R1_TRY(e.dtype, read_dtype(e.name, *text));
    return {};
  }

 private:
  Result<void> begin_entry(const std::string& name) {
    R1_DO(check_name("tensor", name, kSafetensorsNameLimit));
    in_metadata_ = name == "__metadata__";
    if (!in_metadata_) entries.push_back({name, {}, {}, {}});
    field_.clear();
    return {};
  }

  std::optional<std::vector<int64_t>>* field_list() {
    if (field_ == "shape") return &entries.back().shape;
    if (field_ == "data_offsets") return &entries.back().offsets;
    return nullptr;
  }

  Result<void> list_item(const JsonScalar& value) {
    const auto* number = std::get_if<int64_t>(&value);
    if (!number || *number < 0) {
      return error("tensor {}: {} holds what is no whole number from 0 to {}",
                   visible(entries.back().name), field_, INT64_MAX);
    }
    if (list_->size() == kSafetensorsDimsLimit) {
      return error("tensor {}: {} has more than {} numbers", visible(entries.back().name), field_,
                   kSafetensorsDimsLimit);
    }
    list_->push_back(*number);
    return {};
  }

  Error unexpected(std::string_view what) const {
    if (depth_ == 0 || (entries.empty() && !in_metadata_))
      return error("header: {} in the wrong place", what);
    return error("header entry {}: {} in the wrong place (field '{}')",
                 in_metadata_ ? "__metadata__" : visible(entries.back().name), what,
                 visible(field_));
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  std::string field_;
  std::vector<int64_t>* list_ = nullptr;
};

// The entry's tensor with its bytes taken from `data`.
Result<TensorInfo> place(Entry entry, std::span<const std::byte> data) {
  const std::string what = "tensor " + visible(entry.name);
  if (entry.offsets->size() != 2)
    return error("{}: data_offsets has {} numbers, not 2", what, entry.offsets->size());
  const auto begin = static_cast<uint64_t>((*entry.offsets)[0]),
             end = static_cast<uint64_t>((*entry.offsets)[1]);
  if (begin > end)
    return error("{}: data_offsets [{}, {}] end before they begin", what, begin, end);
  if (end > data.size()) {
    return error("{}: data_offsets [{}, {}] reach past the end of the data ({} bytes)", what, begin,
                 end, data.size());
  }
  uint64_t elements = 1;
  for (const int64_t size : *entry.shape) {
    const auto product = checked_mul(elements, static_cast<uint64_t>(size));
    if (!product) return error("{}: the product of its shape does not fit in 64 bits", what);
    elements = *product;
  }
  const auto bytes = stored_bytes(*entry.dtype, 1, elements);
  if (bytes != end - begin) {
    return error("{}: {} elements of {} do not make the {} bytes of data_offsets [{}, {}]", what,
                 elements, info(*entry.dtype).name, end - begin, begin, end);
  }
  return TensorInfo{std::move(entry.name), *entry.dtype, *std::move(entry.shape),
                    data.subspan(begin, end - begin)};
}

Result<void> check_cover(std::span<const TensorInfo> tensors, std::span<const std::byte> data) {
  const std::byte* at = data.data();
  for (const TensorInfo& t : tensors) {
    if (t.bytes.data() != at) {
      return error("tensor {}: data_offsets begin at {}, {} the tensor before, which ends at {}",
                   visible(t.name), t.bytes.data() - data.data(),
                   t.bytes.data() < at ? "inside" : "with a hole after", at - data.data());
    }
    at += t.bytes.size();
  }
  if (at != data.data() + data.size()) {
    return error("the tensors end at byte {} of the data, which has {} bytes", at - data.data(),
                 data.size());
  }
  return {};
}

}  // namespace

Result<FileContents> parse_safetensors(std::span<const std::byte> file) {
  uint64_t length = 0;
  if (file.size() < sizeof length) {
    return error("header length: the file has {} bytes, a safetensors file at least 8",
                 file.size());
  }
  std::memcpy(&length, file.data(), sizeof length);
  if (length > kSafetensorsHeaderLimit) {
    return error("header length: {} bytes, the limit is {}; is this a safetensors file?", length,
                 kSafetensorsHeaderLimit);
  }
  if (length > file.size() - sizeof length) {
    return error("header length: {} bytes reach past the end of the file ({} bytes)", length,
                 file.size());
  }
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + sizeof length, length);
  if (!header.starts_with('{')) return error("header: it does not start with '{{'");
  HeaderVisitor visitor;
  if (auto r = visit_json(header, visitor); !r) return std::move(r).error().in("header");

  const auto data = file.subspan(sizeof length + length);
  FileContents contents{std::move(visitor.metadata), {}};
  contents.tensors.reserve(visitor.entries.size());
  for (Entry& entry : visitor.entries) {
    R1_TRY(auto tensor, place(std::move(entry), data));
    contents.tensors.push_back(std::move(tensor));
  }
  // Empty tensors come before the one that begins at the same byte.
  std::sort(contents.tensors.begin(), contents.tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) {
              return std::pair(a.bytes.data(), a.bytes.size()) <
                     std::pair(b.bytes.data(), b.bytes.size());
            });
  R1_DO(check_cover(contents.tensors, data));
  return contents;
}

}  // namespace r1
