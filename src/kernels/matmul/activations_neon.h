// A token's activations rounded to int8 with NEON: the bits of activations.h, and the sums of
// Q8Layout where weights have a min. Codes are multiplied signed: no chain has an offset to start
// from.
#pragma once

#include <arm_neon.h>

#include "kernels/matmul/activations.h"

namespace r1 {

template <DType type, Isa isa>
struct Activations : Q8Layout<type, isa> {
  using Layout = Q8Layout<type, isa>;
  using Layout::f;

  static void prepare(const float* x, int64_t cols, std::byte* prepared) {
    auto* q = reinterpret_cast<int8_t*>(prepared);
    auto* d = reinterpret_cast<float*>(prepared + Layout::scales_at(cols));
    std::byte* sum = prepared + Layout::sums_at(cols);
    for (int64_t k = 0; k < cols; k += f.block, ++d) {
      const Q8Scale scale = q8_scale(max_abs(x + k));
      *d = scale.d;
      for (int i = 0; i < f.block; i += f.sub) {
        int16_t total = 0;
        for (int j = i; j < i + f.sub; j += 16) {
          const int8x16_t rounded = round(x + k + j, scale.inverse);
          vst1q_s8(q + k + j, rounded);
          total = static_cast<int16_t>(total + vaddlvq_s8(rounded));
        }
        if constexpr (f.min) sum = put_sum(total, *d, sum);
      }
    }
  }

 private:
  static float max_abs(const float* x) {
    float32x4_t max = vdupq_n_f32(0);
    for (int i = 0; i < f.block; i += 4) max = vmaxq_f32(max, vabsq_f32(vld1q_f32(x + i)));
    return vmaxvq_f32(max);
  }

  // 16 activations to int8, to nearest even.
  static int8x16_t round(const float* x, float inverse) {
    const auto eight = [&](int i) {
      const int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), inverse));
      const int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4), inverse));
      return vqmovn_s16(vcombine_s16(vqmovn_s32(low), vqmovn_s32(high)));
    };
    return vcombine_s8(eight(0), eight(8));
  }

  static std::byte* put_sum(int16_t total, float d, std::byte* to) {
    if constexpr (f.block == 32) {
      const float sum = d * total;
      std::memcpy(to, &sum, 4);
    } else {
      std::memcpy(to, &total, 2);
    }
    return to + Layout::kSumBytes;
  }
};

}  // namespace r1
