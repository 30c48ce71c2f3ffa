#include "base/threads.h"

#include <sched.h>

#include <algorithm>

#include "base/error.h"

namespace r1 {
namespace {

constexpr int kSpins = 4000;  // about 50 microseconds: longer than the gap between two ops
constexpr int64_t kRangesPerThread = 8;  // enough that threads of unequal speed finish together

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
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
  for (int i = 1; i < n_threads; ++i) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  generation_.fetch_add(1);
  generation_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (workers_.empty() || n <= grain) return body(0, n);
  const int64_t ranges = size() * kRangesPerThread;
  const int64_t step = std::max<int64_t>(1, n / (ranges * grain)) * grain;
  loop_ = {n, step, &body};
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  take_ranges();
  for (int spin = 0; busy_.load(std::memory_order_acquire) != 0;) {
    if (++spin < kSpins) {
      relax();
    } else if (const int left = busy_.load(std::memory_order_acquire); left != 0) {
      busy_.wait(left);
    }
  }
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::take_ranges() {
  const Loop loop = loop_;
  for (;;) {
    const int64_t begin = next_.fetch_add(loop.step, std::memory_order_relaxed);
    if (begin >= loop.n) return;
    try {
      (*loop.body)(begin, std::min(begin + loop.step, loop.n));
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
}

void ThreadPool::work() {
  uint32_t seen = 0;
  for (;;) {
    for (int spin = 0; generation_.load(std::memory_order_acquire) == seen; ++spin) {
      if (spin < kSpins) {
        relax();
      } else {
        generation_.wait(seen, std::memory_order_acquire);
      }
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stop_) return;
    take_ranges();
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_all();
  }
}

}  // namespace r1
