// Writing one position into a page: what all instruction sets share; `F16`: how a float is
// narrowed. Q8_0, blocks of 32 elements of a position: the scale is the F16 nearest to max |x| /
// 127, a code the integer nearest to x / scale (ties to even), within +-127. A block that holds a
// NaN or an infinity reads as NaN.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/attention/attention.h"
#include "quant/half.h"

namespace r1 {

template <class F16>
struct KvStoreLoop {
  // Element d of `offset`'s vector goes to d * d_step + offset * offset_step.
  struct Place {
    int dim, d_step, offset, offset_step;
  };

  template <class T, class Narrow>
  static void copy(const float* x, const Place& at, std::byte* page, Narrow narrow) {
    T* to = reinterpret_cast<T*>(page) + at.offset * at.offset_step;
    if constexpr (sizeof(T) == sizeof(float)) {
      if (at.d_step == 1) return void(std::copy_n(x, at.dim, to));
    }
    for (int d = 0; d < at.dim; ++d) to[d * at.d_step] = narrow(x[d]);
  }

  static void quantize(const float* x, const Place& at, std::byte* page) {
    constexpr int kBlock = 32;
    auto* codes = reinterpret_cast<int8_t*>(page) + at.offset * at.offset_step;
    auto* scales = reinterpret_cast<uint16_t*>(page + kAttentionTile * at.dim) + at.offset;
    for (int d = 0; d < at.dim; d += kBlock, x += kBlock, scales += kAttentionTile) {
      float most = 0, sum = 0;
      for (int i = 0; i < kBlock; ++i) {
        most = std::max(most, std::fabs(x[i]));
        sum += x[i] - x[i];  // 0, or NaN
      }
      *scales = F16::narrow(std::min(most / 127, 65504.0f) + sum);
      const float step = f16_to_f32(*scales);
      const float inverse = step > 0 ? 1 / step : 0;
      for (int i = 0; i < kBlock; ++i) {
        const float code = std::min(std::max(std::nearbyint(x[i] * inverse), -127.0f), 127.0f);
        codes[(d + i) * at.d_step] = static_cast<int8_t>(step > 0 ? code : 0);
      }
    }
  }

  static void vector(DType type, const float* x, const Place& at, std::byte* page) {
    if (type == DType::kF32) return copy<float>(x, at, page, [](float v) { return v; });
    if (type == DType::kF16) return copy<uint16_t>(x, at, page, F16::narrow);
    if (type == DType::kBF16) return copy<uint16_t>(x, at, page, f32_to_bf16);
    quantize(x, at, page);
  }

  static void store(const KvHead& kv, int32_t page, int offset, const float* k, const float* v) {
    const int64_t at = page * kv.page_bytes;
    const Place row{kv.k_dim, 1, offset, kv.k_dim}, column{kv.k_dim, kAttentionTile, offset, 1};
    vector(kv.dtype, k, kv.latent() ? row : column, kv.k + at);
    if (!kv.latent()) vector(kv.dtype, v, {kv.v_dim, 1, offset, kv.v_dim}, kv.v + at);
  }
};

}  // namespace r1
