// C [M, N] = A [M, K] B [K, N], or C +=: the products of gradients. Of y = x W^T with dy given, dx
// = dy W and dW = dy^T x: operands lie as the forward left them, and nothing is packed beforehand.
// Every element of C is one chain of multiply-adds in the order of K from 0 or from what C held: it
// depends on its row of A and column of B alone, not on where a caller splits M and N, and K may be
// cut anywhere with the rest added (law 1; of BF16 with AVX-512, between pairs). gemm_ref.cpp is
// the definition; others: |c - ref| <= 1e-6 K max over k of |a_ik b_kj|. Single-threaded, allocates
// nothing but some 400 KiB of stack.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

// Element (i, j) at data[i * row + j * col]; one of the strides is 1.
struct GemmOperand {
  const float* data;
  int64_t row, col;
};

struct GemmProduct {
  int64_t m, n, k;
  GemmOperand a, b;
  float* c;  // row i at c + i * c_stride
  int64_t c_stride;
  bool add = true;    // to what c holds
  bool bf16 = false;  // A and B rounded to BF16, products and sums F32
};

using Gemm = void(const GemmProduct& p);

Gemm gemm_ref, gemm_avx2, gemm_avx512;

inline constexpr Variant<Gemm> kGemm[] = {
    {Isa::kRef, gemm_ref}, {Isa::kAvx2, gemm_avx2}, {Isa::kAvx512, gemm_avx512}};

}  // namespace r1
