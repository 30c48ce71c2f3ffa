// Block weights times int8 activations with NEON's int8 matrix product: see int8_product_neon.h.
// One token is multiplied as without it.
#include "kernels/matmul/int8_product_neon.h"
#include "kernels/matmul/variants.h"

namespace r1 {
namespace {

struct I8mm {
  static constexpr Isa kIsa = Isa::kI8mm;
  static constexpr bool kPairs = true;

  // From 4 elements of 4 rows a register to 8 elements of 2: w[half][2 s + p] has elements 8 s ...
  // 8 s + 7 of rows 4 half + 2 p, + 1.
  R1_INLINE static void zip(int8x16_t (&w)[2][8]) {
    unroll<2>([&](auto half) R1_INLINE {
      unroll<4>([&](auto s) R1_INLINE {
        const int32x4_t a = vreinterpretq_s32_s8(w[half][2 * s]);
        const int32x4_t b = vreinterpretq_s32_s8(w[half][2 * s + 1]);
        w[half][2 * s] = vreinterpretq_s8_s32(vzip1q_s32(a, b));
        w[half][2 * s + 1] = vreinterpretq_s8_s32(vzip2q_s32(a, b));
      });
    });
  }

  // The sums of two tokens' products with sub-block `sub` of a chunk, which has `size` elements.
  template <int size, int sub, class Ints>
  R1_INLINE static void dot_pair(const int8x16_t (&w)[2][8], const int8x16_t (&first)[2],
                                 const int8x16_t (&second)[2], Ints (&products)[2]) {
    int32x4_t sum[2][2] = {};  // [half][p]: row 0 by both tokens, row 1 by both
    unroll<size / 8>([&](auto i) R1_INLINE {
      constexpr int s = size / 8 * sub + i;
      const int64x2_t a = vreinterpretq_s64_s8(first[s / 2]),
                      b = vreinterpretq_s64_s8(second[s / 2]);
      const int8x16_t x = vreinterpretq_s8_s64(s % 2 == 0 ? vzip1q_s64(a, b) : vzip2q_s64(a, b));
      unroll<2>([&](auto half) R1_INLINE {
        unroll<2>([&](auto p) R1_INLINE {
          sum[half][p] = vmmlaq_s32(sum[half][p], w[half][2 * s + p], x);
        });
      });
    });
    unroll<2>([&](auto half) R1_INLINE {
      products[0].of[half] = vuzp1q_s32(sum[half][0], sum[half][1]);
      products[1].of[half] = vuzp2q_s32(sum[half][0], sum[half][1]);
    });
  }
};

template <DType type>
constexpr MatmulKernel kernel(std::string_view name) {
  return Int8ProductNeon<I8mm, type>::kernel(name);
}

constexpr MatmulKernel kKernels[] = {
    kernel<DType::kQ4_0>("q4_0/i8mm"),     kernel<DType::kQ4_1>("q4_1/i8mm"),
    kernel<DType::kQ5_0>("q5_0/i8mm"),     kernel<DType::kQ5_1>("q5_1/i8mm"),
    kernel<DType::kQ8_0>("q8_0/i8mm"),     kernel<DType::kIQ4_NL>("iq4_nl/i8mm"),
    kernel<DType::kMXFP4>("mxfp4/i8mm"),   kernel<DType::kQ2_K>("q2_k/i8mm"),
    kernel<DType::kQ3_K>("q3_k/i8mm"),     kernel<DType::kQ4_K>("q4_k/i8mm"),
    kernel<DType::kQ5_K>("q5_k/i8mm"),     kernel<DType::kQ6_K>("q6_k/i8mm"),
    kernel<DType::kIQ4_XS>("iq4_xs/i8mm"),
};

}  // namespace

Kernels matmul_blocks_i8mm() { return kKernels; }

}  // namespace r1
