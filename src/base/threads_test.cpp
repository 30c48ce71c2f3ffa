#include "base/threads.h"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace r1 {
namespace {

TEST(ThreadPool, CoversEveryIndexOnceWithWholeGrains) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const int64_t n : {0, 1, 7, 64, 1000}) {
      for (const int64_t grain : {1, 8, 64}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(n));
        pool.parallel_for(n, grain, [&](int64_t begin, int64_t end) {
          EXPECT_EQ(begin % grain, 0);
          EXPECT_TRUE(end == n || end % grain == 0);
          for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        });
        for (const auto& count : seen) EXPECT_EQ(count, 1);
      }
    }
  }
}

// While one range is held up, wherever it runs, all the others are done. (A worker that falls
// asleep in the moment a loop begins may miss it: not five times running.)
TEST(ThreadPool, AHeldUpRangeHoldsUpNoOther) {
  using std::chrono::steady_clock, std::chrono::seconds;
  ThreadPool pool(2);
  for (const int64_t slow : {0, 63}) {  // of the caller's share, of the worker's
    bool all_others_done = false;
    for (int i = 0; i < 5 && !all_others_done; ++i) {
      std::atomic<int64_t> done = 0;
      pool.parallel_for(64, 1, [&](int64_t begin, int64_t end) {
        if (begin <= slow && slow < end) {
          const auto patience = steady_clock::now() + seconds(5);
          while (!all_others_done && steady_clock::now() < patience)
            all_others_done = done + (end - begin) == 64;
        }
        done += end - begin;
      });
      EXPECT_EQ(done, 64);
    }
    EXPECT_TRUE(all_others_done) << slow;
  }
}

TEST(ThreadPool, ManyShortLoopsWithWorkersThatSleepAndWake) {
  for (const int threads : {2, 3, 8}) {  // more than this machine's cores may be
    ThreadPool pool(threads);
    std::vector<int64_t> values(40);
    for (int loop = 0; loop < 3000; ++loop) {
      if (loop % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      pool.parallel_for(loop % 40 + 1, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++values[static_cast<size_t>(i)];
      });
    }
    for (int64_t i = 0; i < 40; ++i) EXPECT_EQ(values[static_cast<size_t>(i)], 75 * (40 - i));
  }
}

TEST(ThreadPool, MoreStepsThanAShareCountsAreTakenTogether) {
  ThreadPool pool(2);
  std::atomic<int64_t> sum = 0, calls = 0;
  pool.parallel_for(1'000'003, 3, [&](int64_t begin, int64_t end) {
    EXPECT_EQ(begin % 3, 0);
    sum += end - begin;
    ++calls;
  });
  EXPECT_EQ(sum, 1'000'003);
  EXPECT_LT(calls, 100);
}

TEST(ThreadPool, HandsAnExceptionToTheCallerAndGoesOn) {
  ThreadPool pool(3);
  const auto fail = [](int64_t begin, int64_t) {
    if (begin == 0) throw std::runtime_error("first range");
  };
  EXPECT_THROW(pool.parallel_for(100, 1, fail), std::runtime_error);
  std::atomic<int64_t> sum = 0;
  pool.parallel_for(100, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum, 100);
}

}  // namespace
}  // namespace r1
