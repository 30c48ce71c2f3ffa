// A pool for short parallel loops: workers spin briefly between loops, then sleep.
// How a loop is split never changes a result: bodies write disjoint outputs and never share a sum
// (law 1).
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
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
  // but for the last; threads take ranges as they become free. Returns when all are done and
  // rethrows the first exception. One loop at a time; not reentrant.
  void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body);

 private:
  struct Loop {
    int64_t n = 0, step = 0;
    const FunctionRef<void(int64_t, int64_t)>* body = nullptr;
  };

  void work();
  void take_ranges();

  std::vector<std::thread> workers_;
  Loop loop_;
  std::atomic<int64_t> next_{0};         // first index not taken yet
  std::atomic<uint32_t> generation_{0};  // odd bits never matter: any change starts a loop
  std::atomic<int> busy_{0};             // workers that have not finished the current loop
  std::atomic<bool> stop_{false};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

// The number of cores this process may use.
int available_cores();

}  // namespace r1
