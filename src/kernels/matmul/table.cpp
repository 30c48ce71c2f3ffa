// Every matrix product in the build. A new variant is one file and one line here.
#include <vector>

#include "kernels/matmul/variants.h"
#include "kernels/variants.h"

namespace r1 {
namespace {

constexpr Variant<Kernels()> kVariants[] = {
    {Isa::kRef, matmul_ref},
    {Isa::kAvx2, matmul_blocks_avx2},
    {Isa::kAvx2, matmul_float_avx2},
    {Isa::kAvx512, matmul_blocks_avx512},
    {Isa::kAvx512, matmul_float_avx512},
    {Isa::kNeon, matmul_blocks_neon},
    {Isa::kNeon, matmul_float_neon},
    {Isa::kI8mm, matmul_blocks_i8mm},
};

}  // namespace

std::span<const MatmulKernel> matmul_kernels() {
  static const std::vector<MatmulKernel> all = [] {
    std::vector<MatmulKernel> kernels;
    for (const auto& variant : kVariants) {
      if (!variant.run) continue;
      for (const MatmulKernel& kernel : variant.run()) kernels.push_back(kernel);
    }
    return kernels;
  }();
  return all;
}

const MatmulKernel* find_matmul(DType dtype, Compute compute, Isa isa) {
  const MatmulKernel* best = nullptr;
  for (const MatmulKernel& kernel : matmul_kernels()) {
    if (kernel.dtype != dtype || kernel.compute != compute || !runs_on(kernel.isa, isa)) continue;
    if (!best || kernel.isa > best->isa) best = &kernel;
  }
  return best;
}

}  // namespace r1
