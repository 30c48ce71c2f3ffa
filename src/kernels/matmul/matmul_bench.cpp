// Every matrix product: operations and bytes of packed weights per second, one thread, beside what
// the machine can do at best in the same run. Weights of [rows, cols] over T tokens are multiplied
// in a matrix too large for the caches where T is small. Filter:
// --benchmark_filter='q4_k/avx2/8960x1536/T:512'.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "kernels/matmul/matmul.h"
#include "kernels/matmul/random_matrix.h"
#include "kernels/peak.h"

namespace r1 {
namespace {

struct Shape {
  int64_t rows, cols;
};

double read_gbps() {
  static const double best = [] {
    const std::vector<std::byte> memory(size_t{256} << 20, std::byte{1});
    double fastest = 0;
    for (int i = 0; i < 5; ++i) fastest = std::max(fastest, memory_read_gbps(memory));
    return fastest;
  }();
  return best;
}

void multiply(benchmark::State& state, const MatmulKernel& kernel, Shape shape, int64_t n_tokens) {
  constexpr size_t kBeyondCaches = size_t{256} << 20;
  const size_t group_bytes = kernel.packed_bytes(shape.cols);
  const int64_t n_groups = (shape.rows + kernel.row_group - 1) / kernel.row_group;
  const size_t matrix_bytes = group_bytes * static_cast<size_t>(n_groups);
  const size_t n_matrices = n_tokens > 8 ? 1 : kBeyondCaches / matrix_bytes + 1;
  const auto weights = random_matrix(kernel.dtype, kernel.row_group, shape.cols, 1);
  std::vector<std::byte> packed(matrix_bytes * n_matrices);
  kernel.pack(weights.data(), kernel.row_group, shape.cols, packed.data());
  for (size_t at = group_bytes; at < packed.size(); at += group_bytes) {
    std::copy(packed.begin(), packed.begin() + static_cast<ptrdiff_t>(group_bytes),
              packed.begin() + static_cast<ptrdiff_t>(at));
  }
  const auto x = random_activations(shape.cols, 2);
  const size_t x_bytes = kernel.activation_bytes(shape.cols);
  std::vector<std::byte> prepared(x_bytes * static_cast<size_t>(n_tokens));
  for (size_t at = 0; at < prepared.size(); at += x_bytes)
    kernel.prepare(x.data(), shape.cols, prepared.data() + at);
  std::vector<float> y(static_cast<size_t>(n_tokens * shape.rows));
  size_t i = 0;
  for (auto _ : state) {
    kernel.multiply(packed.data() + matrix_bytes * (i++ % n_matrices), n_groups, shape.rows,
                    shape.cols, prepared.data(), n_tokens, y.data(), shape.rows);
    benchmark::ClobberMemory();
  }
  const auto rate = [&](double amount) {
    return benchmark::Counter(amount / 1e9, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["GOP/s"] = rate(2.0 * static_cast<double>(shape.rows * shape.cols * n_tokens));
  state.counters["GB/s"] = rate(static_cast<double>(matrix_bytes));
}

void prepare(benchmark::State& state, const MatmulKernel& kernel, int64_t cols) {
  const auto x = random_activations(cols, 2);
  std::vector<std::byte> prepared(kernel.activation_bytes(cols));
  for (auto _ : state) {
    kernel.prepare(x.data(), cols, prepared.data());
    benchmark::ClobberMemory();
  }
}

void pack(benchmark::State& state, const MatmulKernel& kernel, int64_t cols) {
  const auto weights = random_matrix(kernel.dtype, kernel.row_group, cols, 1);
  std::vector<std::byte> packed(kernel.packed_bytes(cols));
  for (auto _ : state) {
    kernel.pack(weights.data(), kernel.row_group, cols, packed.data());
    benchmark::ClobberMemory();
  }
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(weights.size()) / 1e9,
                                              benchmark::Counter::kIsIterationInvariantRate);
}

void declare_all() {
  for (Isa isa : supported_isas()) {
    benchmark::AddCustomContext(std::string(name(isa)) + " peaks",
                                fmt::format("int8 {:.0f} GOP/s, f32 {:.0f} GFLOP/s",
                                            int8_peak_gops(isa), f32_peak_gflops(isa)));
  }
  benchmark::AddCustomContext("memory read", fmt::format("{:.1f} GB/s", read_gbps()));
  for (const MatmulKernel& kernel : matmul_kernels()) {
    if (!supported(kernel.isa)) continue;
    const bool slow = kernel.isa == Isa::kRef;
    for (Shape shape : {Shape{576, 576}, Shape{1536, 1536}, Shape{8960, 1536}}) {
      if (shape.cols % info(kernel.dtype).block != 0) continue;
      for (int64_t n_tokens : {1, 4, 8, 32, 512}) {
        if (slow && shape.rows * n_tokens > 1536) continue;
        benchmark::RegisterBenchmark(
            fmt::format("{}/{}x{}/T:{}", kernel.name, shape.rows, shape.cols, n_tokens).c_str(),
            multiply, kernel, shape, n_tokens);
      }
    }
    benchmark::RegisterBenchmark(fmt::format("{}/prepare/1536", kernel.name).c_str(), prepare,
                                 kernel, 1536);
    benchmark::RegisterBenchmark(fmt::format("{}/pack/1536", kernel.name).c_str(), pack, kernel,
                                 1536);
  }
}

const bool kDeclared = (declare_all(), true);

}  // namespace
}  // namespace r1
