// Matrices of stored weights for tests and benchmarks: random codes of every type under scales of a
// chosen size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quant/dtype.h"

namespace r1 {

enum class Fill { kRandom, kLargest, kSmallest };  // codes: random, all bits set, all bits clear

// [rows, cols] of `type` as stored; block scales (values of float types) about `scale`, signs
// random.
std::vector<std::byte> random_matrix(DType type, int64_t rows, int64_t cols, uint64_t seed,
                                     Fill fill = Fill::kRandom, float scale = 0.01f);

// n activations, normal with the given deviation.
std::vector<float> random_activations(int64_t n, uint64_t seed, float deviation = 1);

}  // namespace r1
