// Block weights times int8 activations with AVX2: int8_avx2.h for every type.
#include "kernels/matmul/int8_avx2.h"
#include "kernels/matmul/variants.h"

namespace r1 {
namespace {

constexpr MatmulKernel kKernels[] = {
    avx2::Int8<DType::kQ4_0>::kernel("q4_0/avx2"),
    avx2::Int8<DType::kQ4_1>::kernel("q4_1/avx2"),
    avx2::Int8<DType::kQ5_0>::kernel("q5_0/avx2"),
    avx2::Int8<DType::kQ5_1>::kernel("q5_1/avx2"),
    avx2::Int8<DType::kQ8_0>::kernel("q8_0/avx2"),
    avx2::Int8<DType::kIQ4_NL>::kernel("iq4_nl/avx2"),
    avx2::Int8<DType::kMXFP4>::kernel("mxfp4/avx2"),
    avx2::Int8<DType::kQ2_K>::kernel("q2_k/avx2"),
    avx2::Int8<DType::kQ3_K>::kernel("q3_k/avx2"),
    avx2::Int8<DType::kQ4_K>::kernel("q4_k/avx2"),
    avx2::Int8<DType::kQ5_K>::kernel("q5_k/avx2"),
    avx2::Int8<DType::kQ6_K>::kernel("q6_k/avx2"),
    avx2::Int8<DType::kIQ4_XS>::kernel("iq4_xs/avx2"),
};

}  // namespace

Kernels matmul_blocks_avx2() { return kKernels; }

}  // namespace r1
