// Products in F32 with AVX-512: 16 rows in a register; see float_product.h. BF16 weights in kFast
// take BF16 activations two elements a step (vdpbf16ps).
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include "kernels/matmul/float_avx512.h"

#include <immintrin.h>

#include "kernels/matmul/float_product.h"
#include "kernels/matmul/variants.h"
#include "quant/half.h"

namespace r1 {
namespace {

// Pairs of BF16 weights by pairs of BF16 activations.
struct BF16Pairs {
  static constexpr int kElements = 2;
  static constexpr int kWeightBytes = 4;
  static constexpr int kActivationBytes = 4;

  R1_INLINE static __m512bh load(const std::byte* at) { return (__m512bh)_mm512_loadu_si512(at); }
  R1_INLINE static __m512 add_product(__m512 sum, __m512bh w, const std::byte* x) {
    int32_t pair;
    std::memcpy(&pair, x, 4);
    return _mm512_dpbf16_ps(sum, w, (__m512bh)_mm512_set1_epi32(pair));
  }
  static void prepare(const float* x, int64_t cols, std::byte* prepared) {
    int64_t k = 0;
    for (; k + 32 <= cols; k += 32) {
      _mm512_storeu_si512(
          prepared + 2 * k,
          (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + k + 16), _mm512_loadu_ps(x + k)));
    }
    for (; k + 16 <= cols; k += 16) {
      const auto rounded = (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + k));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(prepared + 2 * k), rounded);
    }
    for (; k < (cols + 1) / 2 * 2; ++k) {
      const uint16_t rounded = k < cols ? f32_to_bf16(x[k]) : uint16_t{0};
      std::memcpy(prepared + 2 * k, &rounded, 2);
    }
  }
};

constexpr MatmulKernel kKernels[] = {
    interleaved_kernel<V16, F32Steps<V16>, DType::kF32>(Compute::kFast, "f32/avx512"),
    interleaved_kernel<V16, F16Steps<V16>, DType::kF16>(Compute::kFast, "f16/avx512"),
    interleaved_kernel<V16, BF16Pairs, DType::kBF16>(Compute::kFast, "bf16/avx512"),
    interleaved_kernel<V16, F32Steps<V16>, DType::kF32>(Compute::kF32, "f32/f32/avx512"),
    interleaved_kernel<V16, F16Steps<V16>, DType::kF16>(Compute::kF32, "f16/f32/avx512"),
    interleaved_kernel<V16, BF16Steps<V16>, DType::kBF16>(Compute::kF32, "bf16/f32/avx512"),
};

}  // namespace

Kernels matmul_float_avx512() { return kKernels; }

}  // namespace r1
