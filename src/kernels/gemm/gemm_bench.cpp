// The products of one linear layer in a training step, one thread: y = x W^T as the forward has it
// (matmul.h, W packed once a step), dx = dy W and dW += dy^T x. Beside them: the machine's peaks.
// Filter: --benchmark_filter='(forward|dx|dw)/f32/avx512'.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <vector>

#include "kernels/gemm/gemm.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/random_matrix.h"

namespace r1 {
namespace {

struct Layer {
  int64_t tokens, in, out;
};

// r1-nano's (a dense layer, an expert) in micro batches of 8192 tokens and of 1024, SmolLM2-135M's,
// and a square.
constexpr Layer kLayers[] = {
    {8192, 128, 384}, {8192, 384, 128}, {2048, 128, 96},   {1024, 128, 384},  {1024, 384, 128},
    {256, 128, 96},   {1024, 576, 576}, {1024, 576, 1536}, {1024, 1536, 576}, {1024, 1024, 1024}};

void count(benchmark::State& state, const Layer& l) {
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(l.tokens * l.in * l.out),
                         benchmark::Counter::kIsIterationInvariantRate);
}

void gradient(benchmark::State& state, Gemm* gemm, const Layer& l, bool by_weight, bool bf16) {
  std::vector<float> w = random_activations(l.out * l.in, 1),
                     x = random_activations(l.tokens * l.in, 2),
                     dy = random_activations(l.tokens * l.out, 3);
  const GemmProduct dx{l.tokens, l.in,  l.out, {dy.data(), l.out, 1}, {w.data(), l.in, 1}, x.data(),
                       l.in,     false, bf16};
  const GemmProduct dw{l.out, l.in, l.tokens, {dy.data(), 1, l.out}, {x.data(), l.in, 1}, w.data(),
                       l.in,  true, bf16};
  for (auto _ : state) {
    gemm(by_weight ? dw : dx);
    benchmark::ClobberMemory();
  }
  count(state, l);
}

void forward(benchmark::State& state, const MatmulKernel& kernel, const Layer& l) {
  const int64_t n_groups = (l.out + kernel.row_group - 1) / kernel.row_group;
  const auto weights = random_matrix(kernel.dtype, kernel.row_group, l.in, 1);
  const size_t group = kernel.packed_bytes(l.in), x_bytes = kernel.activation_bytes(l.in);
  std::vector<std::byte> packed(group * static_cast<size_t>(n_groups)),
      prepared(x_bytes * static_cast<size_t>(l.tokens));
  for (size_t at = 0; at < packed.size(); at += group)
    kernel.pack(weights.data(), kernel.row_group, l.in, packed.data() + at);
  const auto x = random_activations(l.in, 2);
  std::vector<float> y(static_cast<size_t>(l.tokens * n_groups * kernel.row_group));
  for (auto _ : state) {
    for (size_t at = 0; at < prepared.size(); at += x_bytes)
      kernel.prepare(x.data(), l.in, prepared.data() + at);
    kernel.multiply(packed.data(), n_groups, l.out, l.in, prepared.data(), l.tokens, y.data(),
                    l.out);
    benchmark::ClobberMemory();
  }
  count(state, l);
}

void declare_all() {
  for (const auto& variant : kGemm) {
    if (variant.isa == Isa::kRef || !supported(variant.isa)) continue;
    for (const Layer& l : kLayers) {
      const auto shape = fmt::format("{}x{}x{}", l.tokens, l.in, l.out);
      for (const bool bf16 : {false, true}) {
        const auto of = fmt::format("{}/{}/{}", bf16 ? "bf16" : "f32", name(variant.isa), shape);
        benchmark::RegisterBenchmark(("dx/" + of).c_str(), gradient, variant.run, l, false, bf16);
        benchmark::RegisterBenchmark(("dw/" + of).c_str(), gradient, variant.run, l, true, bf16);
        const MatmulKernel* kernel =
            find_matmul(bf16 ? DType::kBF16 : DType::kF32, Compute::kFast, variant.isa);
        benchmark::RegisterBenchmark(("forward/" + of).c_str(), forward, *kernel, l);
      }
    }
  }
}

const bool kDeclared = (declare_all(), true);

}  // namespace
}  // namespace r1
