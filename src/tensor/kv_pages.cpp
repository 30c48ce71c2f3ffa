#include "tensor/kv_pages.h"

#include <cstring>

#include "base/checked.h"
#include "base/units.h"
#include "tensor/weight.h"

namespace r1 {
namespace {

// Of so many elements of every position of a page.
uint64_t page_bytes(const KvShape& shape, int64_t elements) {
  const DTypeInfo& type = info(shape.dtype);
  return static_cast<uint64_t>(elements * kKvPage / type.block * type.block_bytes);
}

uint64_t bytes_per_layer(const KvShape& shape) {  // of one page
  const int stored = shape.k_dim + (shape.latent ? 0 : shape.v_dim);
  return page_bytes(shape, int64_t{shape.n_heads} * stored);
}

}  // namespace

std::optional<DType> kv_dtype_from_name(std::string_view name) {
  for (const char* known : {"f32", "f16", "bf16", "q8_0"}) {
    if (name == known) return dtype_from_name(name);
  }
  return std::nullopt;
}

uint64_t KvShape::bytes_per_token() const { return bytes_per_page() / kKvPage; }

uint64_t KvShape::bytes_per_page() const {
  return static_cast<uint64_t>(n_layers) * bytes_per_layer(*this);
}

Result<KvPages> KvPages::create(const KvShape& shape, int32_t n_pages) {
  const int block = info(shape.dtype).block;
  if (shape.k_dim % block != 0 || shape.v_dim % block != 0) {
    return error(
        "keys of {} and values of {} elements cannot be kept as {}: multiples of {} can; use f16",
        shape.k_dim, shape.v_dim, info(shape.dtype).name, block);
  }
  R1_CHECK(n_pages >= 0 && (!shape.latent || shape.v_dim <= shape.k_dim));
  KvPages pages;
  pages.shape_ = shape;
  pages.n_pages_ = n_pages;
  const auto bytes = checked_mul(shape.bytes_per_page(), static_cast<uint64_t>(n_pages));
  if (!bytes) {
    return error("a key/value cache of {} pages of {}: more than can be addressed", n_pages,
                 format_bytes(shape.bytes_per_page()));
  }
  auto memory = reserve_pages(*bytes);
  if (!memory)
    return std::move(memory).error().in(
        fmt::format("key/value cache of {} tokens", n_pages * int64_t{kKvPage}));
  pages.memory_ = *std::move(memory);
  return pages;
}

// A page is one piece of memory; in it the layers follow one another, each its heads' keys, then
// their values.
uint64_t KvPages::offset(int32_t page, int layer) const {
  R1_CHECK(page >= 0 && page < n_pages_ && layer >= 0 && layer < shape_.n_layers);
  return static_cast<uint64_t>(page) * shape_.bytes_per_page() +
         static_cast<uint64_t>(layer) * bytes_per_layer(shape_);
}

std::byte* KvPages::k(int32_t page, int layer, int head) const {
  return memory_.get() + offset(page, layer) + page_bytes(shape_, int64_t{head} * shape_.k_dim);
}

std::byte* KvPages::v(int32_t page, int layer, int head) const {
  const int64_t before = int64_t{shape_.n_heads} * shape_.k_dim + int64_t{head} * shape_.v_dim;
  return memory_.get() + offset(page, layer) + page_bytes(shape_, before);
}

KvHead KvPages::head(int layer, int head) const {
  return {k(0, layer, head),
          shape_.latent ? nullptr : v(0, layer, head),
          static_cast<int64_t>(shape_.bytes_per_page()),
          shape_.k_dim,
          shape_.v_dim,
          shape_.dtype};
}

void KvPages::copy_page(int32_t from, int32_t to) {
  std::memcpy(memory_.get() + offset(to, 0), memory_.get() + offset(from, 0),
              shape_.bytes_per_page());
}

}  // namespace r1
