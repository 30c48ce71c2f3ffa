// Products of gradients with AVX-512; pairs of BF16 by vdpbf16ps.
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <array>

#include "kernels/gemm/gemm_loop.h"
#include "kernels/vector_avx512.h"

namespace r1 {
namespace {

struct BF16PairStep {
  static constexpr bool kConverts = true;
  static constexpr int kElements = 2;

  R1_INLINE static __m512 add_product(__m512 sum, __m512 a, __m512 b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(a),
                            (__m512bh)_mm512_castps_si512(b));
  }

  // In place: [depth][width] floats, width 8 or a multiple of 16, become [depth / 2][width] pairs;
  // there is room for one row more.
  static void convert_lanes(float* x, int64_t depth, int64_t width) {
    if (depth % 2 != 0) std::memset(x + depth * width, 0, static_cast<size_t>(width) * 4);
    if (width == 8) {  // both rows lie in one register
      const __m256i order = _mm256_setr_epi16(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
      for (int64_t s = 0; s < (depth + 1) / 2; ++s) {
        const auto rows = (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + 16 * s));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(x + 8 * s),
                            _mm256_permutexvar_epi16(order, rows));
      }
      return;
    }
    alignas(64) static constexpr auto kOrder = [] {
      std::array<int16_t, 32> order{};
      for (int16_t i = 0; i < 32; ++i)
        order[static_cast<size_t>(i)] = static_cast<int16_t>(i / 2 + i % 2 * 16);
      return order;
    }();
    const __m512i order = _mm512_load_si512(kOrder.data());
    for (int64_t s = 0; s < (depth + 1) / 2; ++s) {
      for (int64_t j = 0; j < width; j += 16) {
        const float* row = x + 2 * s * width + j;
        const auto rows =
            (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(row + width), _mm512_loadu_ps(row));
        _mm512_storeu_si512(x + s * width + j, _mm512_permutexvar_epi16(order, rows));
      }
    }
  }

  // In place: floats become pairs; there is room for one float more.
  static void convert_rows(float* x, int64_t depth) {
    for (int64_t k = 0; k < depth; k += 16) {
      const int n = static_cast<int>(std::min<int64_t>(16, depth - k));
      const __m512 floats = _mm512_maskz_loadu_ps(Vector16::first(n), x + k);
      _mm256_mask_storeu_epi32(x + k / 2, static_cast<__mmask8>((1u << (n + 1) / 2) - 1),
                               (__m256i)_mm512_cvtneps_pbh(floats));
    }
  }
};

}  // namespace

void gemm_avx512(const GemmProduct& p) {
  using Loop = GemmLoop<Vector16>;
  p.bf16 ? Loop::multiply<BF16PairStep>(p) : Loop::multiply<F32Step<Vector16>>(p);
}

}  // namespace r1
