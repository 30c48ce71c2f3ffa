// Products in F32 with AVX2: 8 rows in a register; see float_product.h.
#include <immintrin.h>

#include "kernels/matmul/float_product.h"
#include "kernels/matmul/variants.h"

namespace r1 {
namespace {

struct V8 {
  static constexpr Isa kIsa = Isa::kAvx2;
  static constexpr int kRows = 8;
  static constexpr int kTile = 256;
  static constexpr int kColumn =
      6;  // tokens by 2 row groups, or kFew by 4: their sums, the weights and a broadcast
  static constexpr int kFew = 2;  // fit 16 registers
  using Float = __m256;

  R1_INLINE static Float load(const float* at) { return _mm256_loadu_ps(at); }
  R1_INLINE static Float load_f16(const std::byte* at) { return _mm256_cvtph_ps(load_halves(at)); }
  R1_INLINE static Float load_bf16(const std::byte* at) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_halves(at)), 16));
  }
  R1_INLINE static __m128i load_halves(const std::byte* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  }
  R1_INLINE static void store(float* at, Float v) { _mm256_storeu_ps(at, v); }
  R1_INLINE static Float broadcast(const float* at) { return _mm256_broadcast_ss(at); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
};

constexpr MatmulKernel kKernels[] = {
    interleaved_kernel<V8, F32Steps<V8>, DType::kF32>(Compute::kFast, "f32/avx2"),
    interleaved_kernel<V8, F16Steps<V8>, DType::kF16>(Compute::kFast, "f16/avx2"),
    interleaved_kernel<V8, BF16Steps<V8>, DType::kBF16>(Compute::kFast, "bf16/avx2"),
    interleaved_kernel<V8, F32Steps<V8>, DType::kF32>(Compute::kF32, "f32/f32/avx2"),
    interleaved_kernel<V8, F16Steps<V8>, DType::kF16>(Compute::kF32, "f16/f32/avx2"),
    interleaved_kernel<V8, BF16Steps<V8>, DType::kBF16>(Compute::kF32, "bf16/f32/avx2"),
    stored_kernel<V8, DType::kQ4_0>("q4_0/f32/avx2"),
    stored_kernel<V8, DType::kQ4_1>("q4_1/f32/avx2"),
    stored_kernel<V8, DType::kQ5_0>("q5_0/f32/avx2"),
    stored_kernel<V8, DType::kQ5_1>("q5_1/f32/avx2"),
    stored_kernel<V8, DType::kQ8_0>("q8_0/f32/avx2"),
    stored_kernel<V8, DType::kQ2_K>("q2_k/f32/avx2"),
    stored_kernel<V8, DType::kQ3_K>("q3_k/f32/avx2"),
    stored_kernel<V8, DType::kQ4_K>("q4_k/f32/avx2"),
    stored_kernel<V8, DType::kQ5_K>("q5_k/f32/avx2"),
    stored_kernel<V8, DType::kQ6_K>("q6_k/f32/avx2"),
    stored_kernel<V8, DType::kIQ4_NL>("iq4_nl/f32/avx2"),
    stored_kernel<V8, DType::kIQ4_XS>("iq4_xs/f32/avx2"),
    stored_kernel<V8, DType::kMXFP4>("mxfp4/f32/avx2"),
};

}  // namespace

Kernels matmul_float_avx2() { return kKernels; }

}  // namespace r1
