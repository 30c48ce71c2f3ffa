// Block weights times int8 activations with NEON and its dot product: see int8_product_neon.h.
#include "kernels/matmul/int8_product_neon.h"
#include "kernels/matmul/variants.h"

namespace r1 {
namespace {

struct Neon {
  static constexpr Isa kIsa = Isa::kNeon;
  static constexpr bool kPairs = false;
};

template <DType type>
constexpr MatmulKernel kernel(std::string_view name) {
  return Int8ProductNeon<Neon, type>::kernel(name);
}

constexpr MatmulKernel kKernels[] = {
    kernel<DType::kQ4_0>("q4_0/neon"),     kernel<DType::kQ4_1>("q4_1/neon"),
    kernel<DType::kQ5_0>("q5_0/neon"),     kernel<DType::kQ5_1>("q5_1/neon"),
    kernel<DType::kQ8_0>("q8_0/neon"),     kernel<DType::kIQ4_NL>("iq4_nl/neon"),
    kernel<DType::kMXFP4>("mxfp4/neon"),   kernel<DType::kQ2_K>("q2_k/neon"),
    kernel<DType::kQ3_K>("q3_k/neon"),     kernel<DType::kQ4_K>("q4_k/neon"),
    kernel<DType::kQ5_K>("q5_k/neon"),     kernel<DType::kQ6_K>("q6_k/neon"),
    kernel<DType::kIQ4_XS>("iq4_xs/neon"),
};

}  // namespace

Kernels matmul_blocks_neon() { return kKernels; }

}  // namespace r1
