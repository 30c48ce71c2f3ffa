// The definition, in loops a compiler turns into vectors: lanes are columns of C.
#include "kernels/gemm/gemm.h"
#include "quant/half.h"

namespace r1 {
namespace {

float value(const GemmOperand& x, int64_t i, int64_t j, bool bf16) {
  const float v = x.data[i * x.row + j * x.col];
  return bf16 ? bf16_to_f32(f32_to_bf16(v)) : v;
}

}  // namespace

void gemm_ref(const GemmProduct& p) {
  for (int64_t i = 0; i < p.m; ++i) {
    float* c = p.c + i * p.c_stride;
    for (int64_t j = 0; j < p.n && !p.add; ++j) c[j] = 0;
    for (int64_t k = 0; k < p.k; ++k) {
      const float a = value(p.a, i, k, p.bf16);
      if (p.b.col == 1 && !p.bf16) {
        const float* b = p.b.data + k * p.b.row;
        for (int64_t j = 0; j < p.n; ++j) c[j] += a * b[j];
      } else {
        for (int64_t j = 0; j < p.n; ++j) c[j] += a * value(p.b, k, j, p.bf16);
      }
    }
  }
}

}  // namespace r1
