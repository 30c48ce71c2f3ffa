// Block weights times F32 activations, exactly: the planes of planes.h decoded tile by tile to the
// very values of quant's decoders (each a product rounded once per factor, in their order), for
// FloatProduct. `Set`, `V`: the integer and the float registers of an instruction set.
#pragma once

#include "kernels/matmul/float_product.h"
#include "kernels/matmul/planes.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

template <class V, class Set>
struct Decoded {
  using Steps = F32Steps<V>;
  using Float = typename V::Float;
  static constexpr DType kType = Set::kType;
  static constexpr Format f = Set::f;
  static constexpr int kRows = V::kRows;
  static constexpr int kTile = 64;  // of 4 row groups: a part of the first-level cache
  static constexpr bool kDecoded = true;
  static_assert(kRows == Set::kRows);
  using Packed = Planes<kType, kRows, Set::kIsa>;

  static size_t bytes(int64_t cols) { return Packed::bytes(cols); }
  static void pack(const std::byte* rows, int n_rows, int64_t cols, std::byte* packed) {
    Packed::pack(rows, n_rows, cols, packed);
  }

  // Elements [k, k + n) of all rows: scratch [n][kRows].
  static const std::byte* tile(const std::byte* packed, int64_t /*cols*/, int64_t k, int64_t n,
                               float* scratch) {
    const auto* group = reinterpret_cast<const uint8_t*>(packed);
    for (int64_t i = 0; i < n; i += 32) {
      const uint8_t* block = group + Packed::kBlockBytes * ((k + i) / f.block);
      chunk_values(block, static_cast<int>((k + i) % f.block / 32), scratch + kRows * i);
    }
    return reinterpret_cast<const std::byte*>(scratch);
  }

 private:
  // Chunk c of a block.
  static void chunk_values(const uint8_t* block, int c, float* values) {
    const uint8_t* scales = block + Packed::kScalesAt;
    typename Set::Int w[8];
    Set::unpack_codes(block + Packed::kChunkBytes * c, w);
    const Float d = Set::load_halves(scales);
    Float m = d;
    if constexpr (f.min) m = Set::load_halves(scales + 2 * kRows);
    unroll<32 / f.sub>([&](auto part) R1_INLINE {
      Float step = d, less = m;
      if constexpr (f.block == 256) {
        const int sub = 32 / f.sub * c + part;
        const uint8_t* scale = scales + Packed::kScaleAt + kRows * sub;
        const uint8_t* min = Packed::kNibbles ? scale : scales + Packed::kMinAt + kRows * sub;
        step = Set::mul(d, Set::template small<Packed::kNibbles, 0>(scale));
        if constexpr (f.min) less = Set::mul(m, Set::template small<Packed::kNibbles, 4>(min));
      }
      unroll<f.sub / 4>([&](auto s) R1_INLINE {
        unroll<4>([&](auto e) R1_INLINE {
          constexpr int kAt = f.sub * part + 4 * s + e;
          Float value = Set::mul(step, Set::template code<e>(w[kAt / 4]));
          if constexpr (f.min) {
            value = f.block == 32 ? Set::add(value, less) : Set::sub(value, less);
          }
          V::store(values + kRows * kAt, value);
        });
      });
    });
  }
};

template <class V, class Set>
constexpr MatmulKernel exact_kernel(std::string_view name) {
  return FloatProduct<V, Decoded<V, Set>>::kernel(Compute::kF32, name);
}

}  // namespace r1
