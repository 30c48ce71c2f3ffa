// The memory of keys and values, in pages of kKvPage positions. A page belongs to whoever holds its
// number; infer/kv_cache.h hands numbers out and shares them between sequences with a common
// prefix. Attention walks pages in order of position, so what it computes never depends on where
// pages lie (law 1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"
#include "kernels/attention/attention.h"
#include "quant/dtype.h"

namespace r1 {

constexpr int kKvPage = kAttentionTile;  // 32 positions per page: the absolute tile of attention

// Consecutive rows [first, first + count) of a batch: positions [position, position + count) of one
// sequence, whose page i holds positions [i * kKvPage, (i + 1) * kKvPage).
struct SequenceRows {
  int32_t first, count, position;
  std::span<const int32_t> pages;
};

// f32, f16, bf16, q8_0.
std::optional<DType> kv_dtype_from_name(std::string_view name);

struct KvShape {
  int n_layers = 0;
  int n_heads = 0;            // key/value heads
  int k_dim = 0, v_dim = 0;   // per head
  DType dtype = DType::kF16;  // kF32, kF16, kBF16, kQ8_0
  bool latent = false;        // values are the first v_dim elements of the keys, stored once (MLA)

  uint64_t bytes_per_token() const;
  uint64_t bytes_per_page() const;
};

class KvPages {
 public:
  // Reserves address space; memory is touched as pages are used. Errors name the bytes asked for,
  // or the dimensions that the type does not suit.
  static Result<KvPages> create(const KvShape& shape, int32_t n_pages);

  const KvShape& shape() const { return shape_; }
  int32_t n_pages() const { return n_pages_; }
  // Keys of one head in one page [k_dim, kKvPage], values [kKvPage, v_dim], of shape().dtype;
  // latent: keys [kKvPage, k_dim], no values (kernels/attention).
  std::byte* k(int32_t page, int layer, int head) const;
  std::byte* v(int32_t page, int layer, int head) const;
  KvHead head(int layer, int head) const;    // of every page
  void copy_page(int32_t from, int32_t to);  // copy on write of a partly filled page

 private:
  uint64_t offset(int32_t page, int layer) const;

  KvShape shape_;
  int32_t n_pages_ = 0;
  std::shared_ptr<std::byte> memory_;
};

}  // namespace r1
