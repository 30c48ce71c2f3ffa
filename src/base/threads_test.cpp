#include "base/threads.h"

#include <gtest/gtest.h>

#include <stdexcept>
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
