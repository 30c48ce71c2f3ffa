// What each file of this folder exports to table.cpp: its kernels, one for every (type, arithmetic)
// it serves.
#pragma once

#include "kernels/matmul/matmul.h"

namespace r1 {

using Kernels = std::span<const MatmulKernel>;

Kernels matmul_ref();
Kernels matmul_blocks_avx2();
Kernels matmul_float_avx2();
Kernels matmul_blocks_avx512();
Kernels matmul_float_avx512();
Kernels matmul_blocks_neon();
Kernels matmul_float_neon();
Kernels matmul_blocks_i8mm();

}  // namespace r1
