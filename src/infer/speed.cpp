#include "infer/speed.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <thread>

#include "base/clock.h"
#include "infer/memory.h"
#include "kernels/peak.h"
#include "tensor/weight.h"

namespace r1 {
namespace {

constexpr int64_t kChunk = 512;  // rows of a prefill step
// More than any cache; every thread reads its own part.
constexpr size_t kProbeBytes = size_t{512} << 20;

int64_t pages_of(const SpeedCase& c) { return (c.depth + c.tokens + kKvPage - 1) / kKvPage; }

// Any ids do: speed does not depend on them.
int32_t some_token(int64_t i, int64_t vocab) { return static_cast<int32_t>(i * 7919 % vocab); }

}  // namespace

Spread spread(std::vector<double> values) {
  R1_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return {.median = (values[(n - 1) / 2] + values[n / 2]) / 2,
          .low = values.front(),
          .high = values.back()};
}

Result<SpeedTest> SpeedTest::create(const Model& model, Context& ctx, DType kv_dtype,
                                    std::span<const SpeedCase> cases) {
  int64_t pages = 1;
  for (const SpeedCase& c : cases) pages = std::max(pages, c.batch * pages_of(c));
  const KvShape shape = model.kv_shape(kv_dtype);
  R1_TRY(const uint64_t free, available_memory());
  R1_DO(plan_context(free, shape.bytes_per_token(), pages * kKvPage, pages * kKvPage));
  R1_TRY(auto memory, KvPages::create(shape, static_cast<int32_t>(pages)));
  return SpeedTest(model, ctx, std::move(memory));
}

// One page of real keys and values, copied everywhere: attention costs the same whatever it reads.
void SpeedTest::fill(int64_t depth, int64_t batch) {
  const std::vector<int32_t> first_page = {0};
  Batch page;
  for (int64_t i = 0; i < kKvPage; ++i)
    page.tokens.push_back(some_token(i, model_.config().vocab_size));
  page.parts.push_back({.first = 0, .count = kKvPage, .position = 0, .pages = first_page});
  page.wanted.push_back(kKvPage - 1);
  model_.forward(ctx_, page, pages_);
  const auto end =
      static_cast<int32_t>(std::min<int64_t>(pages_.n_pages(), batch * (depth / kKvPage + 1)));
  for (int32_t to = 1; to < end; ++to) pages_.copy_page(0, to);
}

// Seconds of one prefill, or of c.tokens decode steps.
double SpeedTest::run(const SpeedCase& c) {
  const int64_t vocab = model_.config().vocab_size, sequence_pages = pages_of(c);
  std::vector<std::vector<int32_t>> tables(static_cast<size_t>(c.batch));
  for (size_t s = 0; s < tables.size(); ++s) {
    tables[s].resize(static_cast<size_t>(sequence_pages));
    std::iota(tables[s].begin(), tables[s].end(),
              static_cast<int32_t>(static_cast<int64_t>(s) * sequence_pages));
  }
  const auto start = std::chrono::steady_clock::now();
  for (int64_t done = 0; done < c.tokens;) {
    const int64_t rows = c.prefill ? std::min(kChunk, c.tokens - done) : 1;
    Batch batch;
    for (const auto& table : tables) {
      batch.parts.push_back({.first = static_cast<int32_t>(batch.tokens.size()),
                             .count = static_cast<int32_t>(rows),
                             .position = static_cast<int32_t>(c.depth + done),
                             .pages = table});
      for (int64_t i = 0; i < rows; ++i) batch.tokens.push_back(some_token(done + i, vocab));
      if (done + rows == c.tokens || !c.prefill)
        batch.wanted.push_back(static_cast<int32_t>(batch.tokens.size()) - 1);
    }
    model_.forward(ctx_, batch, pages_);
    done += rows;
  }
  return seconds_since(start);
}

Speed SpeedTest::measure(const SpeedCase& c, int repeats, const std::function<void()>& after_run) {
  fill(c.depth + c.tokens, c.batch);
  SpeedCase warm = c;
  warm.tokens = c.prefill ? c.tokens : std::min<int64_t>(c.tokens, 4);
  run(warm);
  std::vector<double> rates;
  for (int i = 0; i < repeats; ++i) {
    rates.push_back(static_cast<double>(c.tokens * c.batch) / run(c));
    if (after_run) after_run();
  }
  Speed speed{.measured = c,
              .tokens_per_second = spread(std::move(rates)),
              .step_bytes = 0,
              .read_gbps = 0};
  if (!c.prefill) {
    const auto positions =
        static_cast<uint64_t>(c.batch * (c.depth + c.tokens / 2));  // the mean of the run
    speed.step_bytes = model_.step_bytes(c.batch) + positions * pages_.shape().bytes_per_token();
    speed.read_gbps = speed.tokens_per_second.median / static_cast<double>(c.batch) *
                      static_cast<double>(speed.step_bytes) / 1e9;
  }
  return speed;
}

double sum_over_threads(int threads, const std::function<double()>& probe) {
  std::vector<double> results(static_cast<size_t>(threads));
  std::vector<std::thread> workers;
  for (double& result : results) workers.emplace_back([&] { result = probe(); });
  for (auto& worker : workers) worker.join();
  return std::accumulate(results.begin(), results.end(), 0.0);
}

Result<double> machine_read_gbps(int threads) {
  R1_TRY(const auto pages, reserve_pages(kProbeBytes));
  const std::span memory(pages.get(), kProbeBytes);
  std::memset(memory.data(), 1, memory.size());  // pages that were never written are all one page
  const size_t part = kProbeBytes / static_cast<size_t>(threads) / 4096 * 4096;
  double best = 0;
  for (int i = 0; i < 7; ++i) {
    // By the clock on the wall, as decoding is measured.
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back(
          [&, t] { memory_read_gbps(memory.subspan(static_cast<size_t>(t) * part, part)); });
    }
    for (auto& worker : workers) worker.join();
    best = std::max(best, static_cast<double>(part * workers.size()) / seconds_since(start) / 1e9);
  }
  return best;
}

}  // namespace r1
