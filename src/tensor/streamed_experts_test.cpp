#include "tensor/streamed_experts.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/file.h"
#include "base/rng.h"
#include "tensor/moe.h"

namespace r1 {
namespace {

constexpr int kExperts = 16;
constexpr int64_t kDim = 256, kInter = 128;

// Experts as a file would hold them: three stacks in Q8_0.
class StoredStacks {
 public:
  explicit StoredStacks(uint64_t seed) {
    const DTypeInfo& q8 = info(DType::kQ8_0);
    std::vector<float> values(static_cast<size_t>(kExperts * kInter * kDim));
    for (int m = 0; m < 3; ++m) {
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<float>(0.05 * normal(seed, static_cast<uint64_t>(m), i));
      bytes_[m].resize(values.size() / 32 * 34);
      q8.encode(values.data(), bytes_[m].data(), values.size(), nullptr);
    }
    for (int e = 0; e < kExperts; ++e)
      experts.push_back(
          {matrix(0, e, kInter, kDim), matrix(1, e, kInter, kDim), matrix(2, e, kDim, kInter)});
  }
  std::vector<StoredExpert> experts;

 private:
  StoredMatrix matrix(int which, int e, int64_t rows, int64_t cols) const {
    StoredMatrix m;
    m.dtype = DType::kQ8_0;
    m.rows = rows;
    m.cols = cols;
    m.bytes = bytes_[which].data() + e * rows * cols / 32 * 34;
    return m;
  }
  std::vector<std::byte> bytes_[3];
};

Tensor random_rows(Context& ctx, int64_t rows, uint64_t seed) {
  Tensor x = ctx.tensor(rows, kDim);
  for (int64_t i = 0; i < x.size(); ++i)
    x.data()[i] = static_cast<float>(normal(seed, 9, static_cast<uint64_t>(i)));
  return x;
}

// Four experts a token, drawn.
Routing random_routing(Context& ctx, int64_t tokens, uint64_t seed) {
  Routing r{4, {}, ctx.tensor(tokens, 4)};
  for (int64_t t = 0; t < tokens; ++t) {
    const auto first = static_cast<int32_t>(
        philox4x32({static_cast<uint32_t>(t), 0, 0, 0}, {static_cast<uint32_t>(seed), 0})[0] % 4);
    for (int32_t i = 0; i < 4; ++i) {
      r.experts.push_back(first + 4 * i);
      r.weights.row(t)[static_cast<size_t>(i)] = 0.25f + 0.1f * static_cast<float>(i);
    }
  }
  return r;
}

TEST(StreamedExperts, TheCacheChangesNoBit) {
  Context ctx(*chosen_isa(), 2);
  const StoredStacks stored(1);
  const auto resident = resident_experts(ctx, Compute::kFast, stored.experts);
  ASSERT_TRUE(resident);
  const uint64_t one = (*resident)->expert_bytes();
  for (const uint64_t n : {1, 3, 7, kExperts}) {
    SCOPED_TRACE(n);
    const auto cache = std::make_shared<ExpertCache>(n * one);
    const auto streamed = streamed_experts(ctx, Compute::kFast, stored.experts, cache);
    ASSERT_TRUE(streamed);
    for (uint64_t step = 0; step < 20; ++step) {
      const int64_t tokens = step % 3 == 0 ? 9 : 1;
      const Tensor x = random_rows(ctx, tokens, step);
      const Routing routing = random_routing(ctx, tokens, step);
      const Tensor want = mix_experts(ctx, x, routing, **resident, {});
      const Tensor got = mix_experts(ctx, x, routing, **streamed, {});
      ASSERT_TRUE(std::equal(want.data(), want.data() + want.size(), got.data())) << step;
    }
    const ExpertCache::Use use = cache->use();
    EXPECT_EQ(use.bytes_read, (use.asked - use.found) * (cache->stored() / kExperts));
    if (n == kExperts) {
      EXPECT_EQ(use.bytes_read, cache->stored());  // each once
    }
    if (n < 4) {
      EXPECT_LT(use.found, use.asked / 2);
    }
  }
}

TEST(StreamedExperts, KeepsWhatIsUsedMost) {
  Context ctx(*chosen_isa(), 1);
  const StoredStacks stored(2);
  const uint64_t one = (*resident_experts(ctx, Compute::kFast, stored.experts))->expert_bytes();
  const auto cache = std::make_shared<ExpertCache>(4 * one);
  const auto experts = *streamed_experts(ctx, Compute::kFast, stored.experts, cache);
  const auto use = [&](int32_t id) { experts->acquire(ctx, std::array{id}); };
  for (int i = 0; i < 10; ++i) use(0), use(1);
  for (int32_t id = 2; id < kExperts; ++id) use(id);  // a scan drives neither out
  const uint64_t before = cache->use().bytes_read;
  use(0), use(1);
  EXPECT_EQ(cache->use().bytes_read, before);
}

TEST(StreamedExperts, GivesWhatMemoryHoldsAndKeepsWhatIsHeld) {
  Context ctx(*chosen_isa(), 1);
  const StoredStacks stored(3);
  const uint64_t one = (*resident_experts(ctx, Compute::kFast, stored.experts))->expert_bytes();
  const auto cache = std::make_shared<ExpertCache>(2 * one);
  const auto experts = *streamed_experts(ctx, Compute::kFast, stored.experts, cache);
  const std::array<int32_t, 3> wanted = {1, 2, 3};
  const auto two = experts->acquire(ctx, wanted);
  EXPECT_EQ(two.size(), 2u);
  const std::vector<std::byte> bits(two[0].gate.group(0),
                                    two[0].gate.group(0) + two[0].gate.group_bytes());
  const auto more = experts->acquire(ctx, std::array<int32_t, 1>{5});  // beside those in use
  ASSERT_EQ(more.size(), 1u);
  EXPECT_TRUE(std::equal(bits.begin(), bits.end(), two[0].gate.group(0)));
}

// Whether madvise knows MADV_POPULATE_READ (Linux 5.14; qemu's user mode does not): then it refuses
// a page beyond a file's end.
bool reports_unreadable_pages() {
  const int file = ::memfd_create("empty", 0);
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  void* mapping = ::mmap(nullptr, page, PROT_READ, MAP_SHARED, file, 0);
  const bool refused = ::madvise(mapping, page, MADV_POPULATE_READ) != 0 && errno == EFAULT;
  ::munmap(mapping, page);
  ::close(file);
  return refused;
}

TEST(StreamedExperts, AFileCutShortIsAnError) {
  if (!reports_unreadable_pages())
    GTEST_SKIP() << "this system has no MADV_POPULATE_READ (Linux 5.14)";
  Context ctx(*chosen_isa(), 1);
  StoredStacks stored(5);
  const std::string path = testing::TempDir() + "r1_cut_" + std::to_string(::getpid());
  std::string bytes;
  for (const StoredExpert& e : stored.experts) {
    for (const StoredMatrix* m : {&e.gate, &e.up, &e.down}) {
      bytes.append(
          reinterpret_cast<const char*>(m->bytes),
          *stored_bytes(m->dtype, static_cast<uint64_t>(m->rows), static_cast<uint64_t>(m->cols)));
    }
  }
  ASSERT_TRUE(write_file(path, bytes));
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file);
  size_t at = 0;
  for (StoredExpert& e : stored.experts) {
    for (StoredMatrix* m : {&e.gate, &e.up, &e.down}) {
      m->bytes = file->bytes().data() + at;
      m->mapped = true;
      at += *stored_bytes(m->dtype, static_cast<uint64_t>(m->rows), static_cast<uint64_t>(m->cols));
    }
  }
  const auto experts = *streamed_experts(ctx, Compute::kFast, stored.experts,
                                         std::make_shared<ExpertCache>(uint64_t{1} << 30));
  std::filesystem::resize_file(path, bytes.size() / 2);
  EXPECT_EQ(experts->acquire(ctx, std::array{0}).size(), 1u);
  EXPECT_THROW(experts->acquire(ctx, std::array{kExperts - 1}), std::runtime_error);
  EXPECT_EQ(experts->acquire(ctx, std::array{1}).size(), 1u);
  std::filesystem::remove(path);
}

TEST(StreamedExperts, RefusesACacheBelowOneExpert) {
  Context ctx(*chosen_isa(), 1);
  const StoredStacks stored(4);
  const auto refused =
      streamed_experts(ctx, Compute::kFast, stored.experts, std::make_shared<ExpertCache>(1000));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("the cache for experts has 1000 B, one expert takes"),
            std::string::npos);
}

}  // namespace
}  // namespace r1
