// Products of gradients with AVX2; BF16 is rounded to, and multiplied as F32.
#include "kernels/gemm/gemm_loop.h"
#include "kernels/vector_avx2.h"
#include "quant/half.h"

namespace r1 {
namespace {

struct RoundedStep : F32Step<Vector8> {
  static constexpr bool kConverts = true;
  static void convert_lanes(float* x, int64_t depth, int64_t width) {
    for (int64_t i = 0; i < depth * width; ++i) x[i] = bf16_to_f32(f32_to_bf16(x[i]));
  }
  static void convert_rows(float* x, int64_t depth) { convert_lanes(x, depth, 1); }
};

}  // namespace

void gemm_avx2(const GemmProduct& p) {
  using Loop = GemmLoop<Vector8>;
  p.bf16 ? Loop::multiply<RoundedStep>(p) : Loop::multiply<F32Step<Vector8>>(p);
}

}  // namespace r1
