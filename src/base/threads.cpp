#include "base/threads.h"

#include <sched.h>

#include <algorithm>

#include "base/error.h"

namespace r1 {
namespace {

constexpr int kSpins = 4000;  // about 50 microseconds: longer than the gap between two ops
constexpr int kBits = 12;     // of a step's number within a share
constexpr uint64_t kMost = (uint64_t{1} << kBits) - 1;

constexpr uint64_t loop_of(uint64_t word) { return word >> (2 * kBits); }
constexpr uint64_t begin_of(uint64_t word) { return word >> kBits & kMost; }
constexpr uint64_t end_of(uint64_t word) { return word & kMost; }
constexpr uint64_t pack(uint64_t loop, uint64_t begin, uint64_t end) {
  return (loop << kBits | begin) << kBits | end;
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

int available_cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

ThreadPool::ThreadPool(int n_threads) {
  R1_CHECK(n_threads >= 1);
  shares_ = std::make_unique<Share[]>(static_cast<size_t>(n_threads));
  for (size_t i = 1; i < static_cast<size_t>(n_threads); ++i)
    workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  wake_sleepers();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::parallel_for(int64_t n, int64_t grain, Body body) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (workers_.empty() || n <= grain) return body(0, n);
  const int64_t threads = size(), most = static_cast<int64_t>(kMost) * threads;
  const int64_t step = (((n - 1) / grain) / most + 1) * grain;
  const int64_t steps = (n - 1) / step + 1;
  body_.store(&body, std::memory_order_relaxed);
  n_.store(n, std::memory_order_relaxed);
  step_.store(step, std::memory_order_relaxed);
  undone_.store(static_cast<int>(steps), std::memory_order_relaxed);
  ++number_;
  for (int64_t i = 0; i < threads; ++i) {
    const int64_t first = steps * i / threads, end = steps * (i + 1) / threads;
    Share& share = shares_[static_cast<size_t>(i)];
    share.first.store(first, std::memory_order_relaxed);
    share.left.store(pack(number_, 0, static_cast<uint64_t>(end - first)),
                     std::memory_order_release);
  }
  // Unordered with those stores: who falls asleep in this moment misses one loop, no more.
  if (asleep_.load(std::memory_order_relaxed)) wake_sleepers();
  run(0);
  for (int spin = 0;; ++spin) {
    const int undone = undone_.load(std::memory_order_acquire);
    if (undone == 0) break;
    spin < kSpins ? relax() : undone_.wait(undone, std::memory_order_acquire);
  }
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

// Own share first, then those of the others.
void ThreadPool::run(size_t self) {
  const auto threads = static_cast<size_t>(size());
  int done = 0;
  for (size_t i = 0; i < threads; ++i) {
    Share& share = shares_[(self + i) % threads];
    while (const int steps = take(share, i == 0)) done += steps;
  }
  if (done > 0 && undone_.fetch_sub(done, std::memory_order_acq_rel) == done) undone_.notify_one();
}

// Takes and does half of what is left of a share: large ranges first, single steps at the end.
// Returns the number of steps, 0 where none is left.
int ThreadPool::take(Share& share, bool own) {
  uint64_t word = share.left.load(std::memory_order_acquire);
  for (;;) {
    const uint64_t begin = begin_of(word), end = end_of(word), some = (end - begin + 1) / 2;
    if (some == 0) return 0;
    const Body* body = body_.load(std::memory_order_relaxed);
    const int64_t n = n_.load(std::memory_order_relaxed),
                  step = step_.load(std::memory_order_relaxed),
                  first = share.first.load(std::memory_order_relaxed);
    const uint64_t rest =
        own ? pack(loop_of(word), begin + some, end) : pack(loop_of(word), begin, end - some);
    if (!share.left.compare_exchange_weak(word, rest, std::memory_order_acq_rel,
                                          std::memory_order_acquire))
      continue;
    const int64_t from = first + static_cast<int64_t>(own ? begin : end - some),
                  to = from + static_cast<int64_t>(some);
    try {
      (*body)(from * step, std::min(to * step, n));
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    return static_cast<int>(some);
  }
}

void ThreadPool::work(size_t self) {
  const Share& mine = shares_[self];
  uint64_t seen = 0;
  for (int spin = 0; !stop_.load(std::memory_order_relaxed); ++spin) {
    const uint64_t loop = loop_of(mine.left.load(std::memory_order_acquire));
    if (loop != seen) {
      seen = loop;
      run(self);
      spin = 0;
    } else if (spin < kSpins) {
      relax();
    } else {
      sleep(mine, seen);
    }
  }
}

// Until the next alarm, unless a loop has begun.
void ThreadPool::sleep(const Share& mine, uint64_t seen) {
  const uint32_t alarm = alarm_.load();
  asleep_ = true;
  if (loop_of(mine.left.load()) == seen && !stop_) alarm_.wait(alarm);
}

void ThreadPool::wake_sleepers() {
  asleep_ = false;
  ++alarm_;
  alarm_.notify_all();
}

}  // namespace r1
