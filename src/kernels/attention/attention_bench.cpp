// Attention of one key/value head: arithmetic and bytes of keys and values per second, one thread,
// beside the peaks that matmul_bench.cpp prints for the same run. Heads: of SmolLM2 (64 elements, 3
// query heads), of R1-Distill-Qwen-1.5B (128, 6), latent ones of DeepSeek (576, 16 and 128). T
// neighbouring rows see all of 4096 positions: 1 is a decode step, whose pages come from memory,
// 32 a prefill. Filter: --benchmark_filter='attention/f16/avx2/64x3/T:1$'.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/matmul/random_matrix.h"

namespace r1 {
namespace {

struct Shape {
  const char* name;
  int k_dim, v_dim, heads;
  bool latent;
};

constexpr Shape kShapes[] = {{"64x3", 64, 64, 3, false},
                             {"128x6", 128, 128, 6, false},
                             {"latent_x16", 576, 512, 16, true},
                             {"latent_x128", 576, 512, 128, true}};
constexpr int kPositions = 4096;

void attend(benchmark::State& state, const Variant<Attention>& variant, DType dtype, Shape shape,
            int n_rows) {
  constexpr size_t kBeyondCaches = size_t{256} << 20;
  constexpr int32_t kSequencePages = kPositions / kAttentionTile;
  const int width = shape.k_dim + (shape.latent ? 0 : shape.v_dim);
  const auto page = random_matrix(dtype, width, kAttentionTile, 1);
  const size_t n_pages = (kBeyondCaches / page.size() / kSequencePages + 1) * kSequencePages;
  std::vector<std::byte> memory;
  for (size_t i = 0; i < n_pages; ++i) memory.insert(memory.end(), page.begin(), page.end());
  const size_t keys = page.size() / static_cast<size_t>(width) * static_cast<size_t>(shape.k_dim);
  const KvHead kv{memory.data(),    shape.latent ? nullptr : memory.data() + keys,
                  std::ssize(page), shape.k_dim,
                  shape.v_dim,      dtype};
  const auto q = random_activations(shape.k_dim, 2);
  std::vector<float> y(static_cast<size_t>(shape.v_dim * n_rows * shape.heads), -0.0f);
  std::vector<AttentionSum> sums(static_cast<size_t>(n_rows * shape.heads));
  std::vector<AttentionQuery> queries;
  for (size_t i = 0; i < sums.size(); ++i) {
    queries.push_back({q.data(), &y[i * static_cast<size_t>(shape.v_dim)], &sums[i],
                       kPositions - n_rows + static_cast<int>(i) / shape.heads});
  }
  std::vector<int32_t> pages(kSequencePages);
  int32_t next = 0;
  for (auto _ : state) {
    for (int32_t& p : pages)
      p = n_rows == 1 ? next++ % static_cast<int32_t>(n_pages) : next++ % kSequencePages;
    for (int32_t first = 0; first < kPositions; first += kAttentionSpan) {
      for (size_t i = 0; i < queries.size(); i += kAttentionQueries) {
        const size_t n = std::min<size_t>(kAttentionQueries, queries.size() - i);
        variant.run(kv, 0.1f, pages, first, std::span(queries).subspan(i, n));
      }
    }
    benchmark::ClobberMemory();
  }
  const auto rate = [](double amount) {
    return benchmark::Counter(amount / 1e9, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["GFLOP/s"] =
      rate(2.0 * kPositions * (shape.k_dim + shape.v_dim) * static_cast<double>(queries.size()));
  state.counters["GB/s"] = rate(static_cast<double>(page.size() * pages.size()));
}

void declare_all() {
  for (const auto& variant : kAttention) {
    if (variant.isa == Isa::kRef || !supported(variant.isa)) continue;
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0}) {
      for (const Shape& shape : kShapes) {
        for (const int n_rows : {1, 32}) {
          if (n_rows > 1 && shape.heads > 16) continue;
          benchmark::RegisterBenchmark(fmt::format("attention/{}/{}/{}/T:{}", info(dtype).name,
                                                   name(variant.isa), shape.name, n_rows)
                                           .c_str(),
                                       attend, variant, dtype, shape, n_rows);
        }
      }
    }
  }
}

const bool kDeclared = (declare_all(), true);

}  // namespace
}  // namespace r1
