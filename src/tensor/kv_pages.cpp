#include "tensor/kv_pages.h"

#include <cstring>

#include "base/checked.h"
#include "base/units.h"
#include "tensor/weight.h"

namespace r1 {
namespace {

uint64_t element_bytes(const KvShape& shape) {
  return static_cast<uint64_t>(info(shape.dtype).block_bytes);
}

uint64_t bytes_per_layer(const KvShape& shape) {  // of one position
  const int stored = shape.k_dim + (shape.latent ? 0 : shape.v_dim);
  return static_cast<uint64_t>(shape.n_heads) * static_cast<uint64_t>(stored) *
         element_bytes(shape);
}

}  // namespace

uint64_t KvShape::bytes_per_token() const {
  return static_cast<uint64_t>(n_layers) * bytes_per_layer(*this);
}

uint64_t KvShape::bytes_per_page() const { return bytes_per_token() * kKvPage; }

Result<KvPages> KvPages::create(const KvShape& shape, int32_t n_pages) {
  R1_CHECK(shape.dtype == DType::kF32 || shape.dtype == DType::kF16 || shape.dtype == DType::kBF16);
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
         static_cast<uint64_t>(layer) * bytes_per_layer(shape_) * kKvPage;
}

std::byte* KvPages::k(int32_t page, int layer, int head) const {
  const auto index = static_cast<uint64_t>(head) * static_cast<uint64_t>(shape_.k_dim);
  return memory_.get() + offset(page, layer) + index * kKvPage * element_bytes(shape_);
}

std::byte* KvPages::v(int32_t page, int layer, int head) const {
  const auto index = static_cast<uint64_t>(shape_.n_heads) * static_cast<uint64_t>(shape_.k_dim) +
                     static_cast<uint64_t>(head) * static_cast<uint64_t>(shape_.v_dim);
  return memory_.get() + offset(page, layer) + index * kKvPage * element_bytes(shape_);
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
