// Products in F32 with AVX2: 8 rows in a register; see float_product.h.
#include "kernels/matmul/float_avx2.h"

#include <immintrin.h>

#include "kernels/matmul/float_product.h"
#include "kernels/matmul/variants.h"

namespace r1 {
namespace {

constexpr MatmulKernel kKernels[] = {
    interleaved_kernel<V8, F32Steps<V8>, DType::kF32>(Compute::kFast, "f32/avx2"),
    interleaved_kernel<V8, F16Steps<V8>, DType::kF16>(Compute::kFast, "f16/avx2"),
    interleaved_kernel<V8, BF16Steps<V8>, DType::kBF16>(Compute::kFast, "bf16/avx2"),
    interleaved_kernel<V8, F32Steps<V8>, DType::kF32>(Compute::kF32, "f32/f32/avx2"),
    interleaved_kernel<V8, F16Steps<V8>, DType::kF16>(Compute::kF32, "f16/f32/avx2"),
    interleaved_kernel<V8, BF16Steps<V8>, DType::kBF16>(Compute::kF32, "bf16/f32/avx2"),
};

}  // namespace

Kernels matmul_float_avx2() { return kKernels; }

}  // namespace r1
