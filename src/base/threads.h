// A pool for short parallel loops. Every thread has a contiguous share of a loop, walks it from the
// front and, when it is done, helps others from the back: the caller alone can finish a loop, so a
// worker that sleeps, or whose core is taken by another program, costs nothing but its help. How a
// loop is split never changes a result: bodies write disjoint outputs, never a common sum (law 1).
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace r1 {

class ThreadPool {
 public:
  // n_threads counts the caller; 1 runs every loop inline. n_threads >= 1.
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Runs body(begin, end) over disjoint ranges that cover [0, n), each a multiple of `grain` long
  // but for the last. Returns when all are done and rethrows the first exception. One loop at a
  // time; not reentrant.
  void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body);

 private:
  using Body = FunctionRef<void(int64_t, int64_t)>;

  // What is left of one thread's part of a loop, in steps after `first`. [number of the loop |
  // begin | end) is one word, so that taking some is one compare-and-swap, which fails when the
  // loop is over; a worker waits for its word to change. Numbers come back after 2^40 loops: no
  // thread rests so long between two instructions.
  struct alignas(64) Share {
    std::atomic<uint64_t> left{0};
    std::atomic<int64_t> first{0};
  };

  void work(size_t self);
  void run(size_t self);
  int take(Share& share, bool own);
  void sleep(const Share& mine, uint64_t seen);
  void wake_sleepers();

  std::vector<std::thread> workers_;
  std::unique_ptr<Share[]> shares_;  // the caller's, then the workers'

  // The loop under way. Valid for whoever has taken steps of it: no other loop begins before they
  // are done.
  alignas(64) std::atomic<const Body*> body_{nullptr};
  std::atomic<int64_t> n_{0}, step_{0};
  uint64_t number_ = 0;  // the caller's own

  alignas(64) std::atomic<int> undone_{0};       // steps
  alignas(64) std::atomic<bool> asleep_{false};  // a worker may be
  std::atomic<uint32_t> alarm_{0};               // sleepers wait for it to change
  std::atomic<bool> stop_{false};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

// The number of cores this process may use.
int available_cores();

}  // namespace r1
