// What sampling asks of a row of logits, a block at a time: where the large ones are, and how much
// probability a block holds. logits_ref.cpp is the definition. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

inline constexpr int64_t kLogitBlock = 128;

// x [n] -> greatest [ceil(n / kLogitBlock)], the greatest number of each block, -infinity where it
// has none. Whether all of x are numbers: NaN is skipped and told. Every variant gives the same.
using BlockMax = bool(const float* x, int64_t n, float* greatest);

// The sum of e^(scale (x[i] - greatest)) over x [n], n <= kLogitBlock, greatest finite and at least
// every x[i], scale > 0. Infinities count as the largest finite numbers, NaN as nothing.
// |y - ref| <= 1e-5 ref + 1e-30: exponents are products rounded to floats, and those under -87
// count as -87.
using SumExp = double(const float* x, int64_t n, float greatest, float scale);

BlockMax block_max_ref, block_max_avx2, block_max_neon;
SumExp sum_exp_ref, sum_exp_avx2, sum_exp_neon;

inline constexpr Variant<BlockMax> kBlockMax[] = {
    {Isa::kRef, block_max_ref}, {Isa::kAvx2, block_max_avx2}, {Isa::kNeon, block_max_neon}};
inline constexpr Variant<SumExp> kSumExp[] = {
    {Isa::kRef, sum_exp_ref}, {Isa::kAvx2, sum_exp_avx2}, {Isa::kNeon, sum_exp_neon}};

}  // namespace r1
