// Which kernels the other tests of this program ran, for the log: scripts/variants reads it.
#include "kernels/variants.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernels/adamw/adamw.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_backward.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/gemm.h"
#include "kernels/logits/logits.h"
#include "kernels/matmul/matmul.h"
#include "kernels/norm/norm.h"
#include "kernels/norm/norm_backward.h"
#include "kernels/rope/rope.h"
#include "kernels/softmax/log_probability.h"
#include "kernels/swiglu/swiglu.h"
#include "kernels/swiglu/swiglu_backward.h"

namespace r1 {
namespace {

void say(std::string_view kernel, Isa isa) {
  const bool emulated = std::string_view(R1_EMULATED).find(name(isa)) != std::string_view::npos;
  fmt::print("variant {} {} {}\n", kernel, name(isa),
             !supported(isa) ? "not-run"
             : emulated      ? "emulated"
                             : "native");
}

template <class Run, size_t N>
void say(std::string_view op, const Variant<Run> (&variants)[N]) {
  for (const auto& variant : variants) say(op, variant.isa);
}

TEST(Variants, EveryTableBeginsWithTheReferenceAndTheLogSaysWhichRan) {
  const auto check = [](std::string_view op, const auto& variants) {
    EXPECT_EQ(variants[0].isa, Isa::kRef) << op;
    for (const auto& variant : variants) {
      EXPECT_EQ(variant.run != nullptr, in_build(variant.isa)) << op << ' ' << name(variant.isa);
    }
    say(op, variants);
  };
  check("adamw", kAdamW);
  check("add", kAdd);
  check("attention", kAttention);
  check("attention_backward", kAttentionBackward);
  check("attention_merge", kAttentionMerge);
  check("gemm", kGemm);
  check("kv_store", kKvStore);
  check("block_max", kBlockMax);
  check("sum_exp", kSumExp);
  check("log_probability", kLogProbability);
  check("log_probability_backward", kLogProbabilityBackward);
  check("rms_norm", kRmsNorm);
  check("rms_norm_backward", kRmsNormBackward);
  check("rms_norm_weight_backward", kRmsNormWeightBackward);
  check("rope", kRope);
  check("swiglu", kSwiGlu);
  check("swiglu_backward", kSwigluBackward);
  for (const MatmulKernel& kernel : matmul_kernels()) {
    say(kernel.name.substr(0, kernel.name.rfind('/')), kernel.isa);
  }
}

}  // namespace
}  // namespace r1
