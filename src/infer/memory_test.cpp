#include "infer/memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tensor/kv_pages.h"

namespace r1 {
namespace {

// A small /proc and /sys.
class Machine {
 public:
  explicit Machine(const char* name)
      : root_(std::filesystem::path(testing::TempDir()) / "r1_memory" / name) {
    std::filesystem::remove_all(root_);
    write("proc/meminfo",
          "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    800 kB\n");
  }
  ~Machine() { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  uint64_t available() const { return *available_memory(root_); }

 private:
  std::filesystem::path root_;
};

TEST(Memory, WhatTheKernelCallsAvailable) {
  EXPECT_EQ(Machine("plain").available(), 800 * 1024u);
  EXPECT_FALSE(available_memory("/nowhere"));
  ASSERT_TRUE(available_memory());
  EXPECT_GT(*available_memory(), 1u << 20);
}

TEST(Memory, EveryCgroupAboveUsLimits) {
  Machine m("v2");
  m.write("proc/self/cgroup", "0::/a/b\n");
  m.write("sys/fs/cgroup/a/b/memory.max", "max\n");
  m.write("sys/fs/cgroup/a/b/memory.current", "5\n");
  m.write("sys/fs/cgroup/a/memory.max", "300000\n");
  m.write("sys/fs/cgroup/a/memory.current", "250000\n");
  m.write("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 150000\n");
  EXPECT_EQ(m.available(), 200000u) << "cached file pages do not count";
  m.write("sys/fs/cgroup/a/memory.current", "400000\n");
  EXPECT_EQ(m.available(), 50000u);
}

TEST(Memory, ContainersOfVersionOneSeeTheirGroupAtTheMount) {
  Machine m("v1");
  m.write("proc/self/cgroup", "3:cpu,memory:/docker/123\n0::/\n");
  m.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "100000\n");
  m.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "30000\n");
  EXPECT_EQ(m.available(), 70000u);
}

TEST(Memory, ContextIsWhatFitsAtMostTheModelsOwn) {
  constexpr uint64_t kGiB = 1ull << 30;
  EXPECT_EQ(plan_context(8 * kGiB, 1 << 10, 4096, 0)->context, 4096);
  EXPECT_EQ(plan_context(8 * kGiB, 1 << 10, 4096, 0)->pages, 4 * 4096 / kKvPage);
  const auto tight = plan_context(2 * kGiB, 1 << 20, 131072, 0);  // three quarters of 2 GiB
  EXPECT_EQ(tight->context, 1536);
  EXPECT_EQ(tight->pages, 1536 / kKvPage);
  EXPECT_EQ(plan_context(8 * kGiB, 1 << 10, 4096, 1000)->context, 1000);
  EXPECT_EQ(plan_context(8 * kGiB, 1 << 10, 4096, 1000)->pages, 4 * 32);
  EXPECT_EQ(plan_context(8 * kGiB, 1 << 10, 4096, 5000).error().message,
            "context 5000 asked: the model's own is 4096 tokens");
  EXPECT_EQ(plan_context(2 * kGiB, 1 << 20, 131072, 4096).error().message,
            "a context of 4096 tokens needs 4.00 GiB of memory for keys and values, 1.50 GiB are "
            "free: 1536 tokens "
            "would fit");
  EXPECT_FALSE(plan_context(1 << 20, 1 << 20, 4096, 0));
  EXPECT_FALSE(plan_context(8 * kGiB, 1 << 10, 4096, -5));
}

}  // namespace
}  // namespace r1
