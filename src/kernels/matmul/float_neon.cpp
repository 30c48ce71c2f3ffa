// Products in F32 with NEON: 4 rows in a register; see float_product.h.
#include <arm_neon.h>

#include "kernels/matmul/float_product.h"
#include "kernels/matmul/variants.h"

namespace r1 {
namespace {

struct V4 {
  static constexpr Isa kIsa = Isa::kNeon;
  static constexpr int kRows = 4;
  static constexpr int kTile = 256;
  static constexpr int kColumn =
      8;  // tokens by 2 row groups, or kFew by 4: 16 sums hide the latency of four FMA units
  static constexpr int kFew = 4;
  using Float = float32x4_t;

  R1_INLINE static Float zero() { return vdupq_n_f32(0); }
  R1_INLINE static Float load(const float* at) { return vld1q_f32(at); }
  R1_INLINE static Float load_f16(const std::byte* at) {
    return vcvt_f32_f16(vreinterpret_f16_u16(load_halves(at)));
  }
  R1_INLINE static Float load_bf16(const std::byte* at) {
    return vreinterpretq_f32_u32(vshll_n_u16(load_halves(at), 16));
  }
  R1_INLINE static uint16x4_t load_halves(const std::byte* at) {
    return vreinterpret_u16_u8(vld1_u8(reinterpret_cast<const uint8_t*>(at)));
  }
  R1_INLINE static void store(float* at, Float v) { vst1q_f32(at, v); }
  R1_INLINE static Float broadcast(const float* at) { return vld1q_dup_f32(at); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return vfmaq_f32(c, a, b); }
};

constexpr MatmulKernel kKernels[] = {
    interleaved_kernel<V4, F32Steps<V4>, DType::kF32>(Compute::kFast, "f32/neon"),
    interleaved_kernel<V4, F16Steps<V4>, DType::kF16>(Compute::kFast, "f16/neon"),
    interleaved_kernel<V4, BF16Steps<V4>, DType::kBF16>(Compute::kFast, "bf16/neon"),
    interleaved_kernel<V4, F32Steps<V4>, DType::kF32>(Compute::kF32, "f32/f32/neon"),
    interleaved_kernel<V4, F16Steps<V4>, DType::kF16>(Compute::kF32, "f16/f32/neon"),
    interleaved_kernel<V4, BF16Steps<V4>, DType::kBF16>(Compute::kF32, "bf16/f32/neon"),
    stored_kernel<V4, DType::kQ4_0>("q4_0/f32/neon"),
    stored_kernel<V4, DType::kQ4_1>("q4_1/f32/neon"),
    stored_kernel<V4, DType::kQ5_0>("q5_0/f32/neon"),
    stored_kernel<V4, DType::kQ5_1>("q5_1/f32/neon"),
    stored_kernel<V4, DType::kQ8_0>("q8_0/f32/neon"),
    stored_kernel<V4, DType::kQ2_K>("q2_k/f32/neon"),
    stored_kernel<V4, DType::kQ3_K>("q3_k/f32/neon"),
    stored_kernel<V4, DType::kQ4_K>("q4_k/f32/neon"),
    stored_kernel<V4, DType::kQ5_K>("q5_k/f32/neon"),
    stored_kernel<V4, DType::kQ6_K>("q6_k/f32/neon"),
    stored_kernel<V4, DType::kIQ4_NL>("iq4_nl/f32/neon"),
    stored_kernel<V4, DType::kIQ4_XS>("iq4_xs/f32/neon"),
    stored_kernel<V4, DType::kMXFP4>("mxfp4/f32/neon"),
};

}  // namespace

Kernels matmul_float_neon() { return kKernels; }

}  // namespace r1
