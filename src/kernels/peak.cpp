#include "kernels/peak.h"

#include <cstdint>
#include <cstring>
#include <ctime>

#include "kernels/peak_variants.h"

namespace r1 {
namespace {

// Of this thread alone: other work on the machine does not count.
double seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Operations per second / 1e9 of a loop, over at least 50 ms.
double rate(int64_t (*loop)(int64_t n_rounds)) {
  loop(10000);  // warms up
  for (int64_t n_rounds = 10000;; n_rounds *= 2) {
    const double start = seconds();
    const int64_t operations = loop(n_rounds);
    const double elapsed = seconds() - start;
    if (elapsed >= 0.05) return static_cast<double>(operations) / elapsed / 1e9;
  }
}

template <class T>
int64_t scalar_loop(int64_t n_rounds) {
  constexpr int kChains = 8;
  T sums[kChains] = {};
  T w = 1, x = 1;
  for (int64_t i = 0; i < n_rounds; ++i) {
    asm volatile("" : "+m"(w), "+m"(x));
    for (T& sum : sums) sum += w * x;
  }
  asm volatile("" ::"m"(sums));
  return n_rounds * kChains * 2;
}

}  // namespace

const PeakLoops kPeakRef = {scalar_loop<float>, scalar_loop<int32_t>};

double memory_read_gbps(std::span<const std::byte> memory) {
  using Words [[gnu::vector_size(16), gnu::aligned(1), gnu::may_alias]] = uint64_t;
  constexpr size_t kLine = 64,
                   kAhead = 4096;  // what the processor fetches by itself is not the limit
  const double start = seconds();
  Words a{}, b{}, c{}, d{};  // in registers
  for (size_t at = 0; at + kLine <= memory.size(); at += kLine) {
    __builtin_prefetch(memory.data() + at + kAhead);
    const auto* words = reinterpret_cast<const Words*>(memory.data() + at);
    a += words[0];
    b += words[1];
    c += words[2];
    d += words[3];
  }
  a += b + c + d;
  asm volatile("" ::"m"(a));
  return static_cast<double>(memory.size()) / (seconds() - start) / 1e9;
}

double f32_peak_gflops(Isa isa) { return rate(best(kPeak, isa)->f32); }
double int8_peak_gops(Isa isa) { return rate(best(kPeak, isa)->int8); }

}  // namespace r1
