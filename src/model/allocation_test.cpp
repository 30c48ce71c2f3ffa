// A decode step allocates nothing once one like it has been taken: every allocation of this program
// is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <numeric>

#include "model/model.h"
#include "tests/golden/random_model.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

TEST(Forward, ADecodeStepAllocatesNothing) { GTEST_SKIP() << "sanitizers own the allocator"; }

#else

namespace {

std::atomic<int64_t> allocations = 0;

void* allocate(size_t bytes, size_t alignment) {
  ++allocations;
  const size_t whole = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  if (void* p = std::aligned_alloc(alignment, whole)) return p;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(size_t bytes) { return allocate(bytes, alignof(std::max_align_t)); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }

namespace r1 {
namespace {

TEST(Forward, ADecodeStepAllocatesNothing) {
  const std::string folder = testing::TempDir() + "r1-allocations";
  std::filesystem::create_directories(folder);
  const auto file = WeightFile::open(write_random_llama(folder, DType::kQ4_K, 2));
  ASSERT_TRUE(file) << file.error().message;
  for (const int threads : {1, 3}) {
    Context ctx(supported_isas().back(), threads);
    const auto model = Model::load(*file, {}, ctx);
    ASSERT_TRUE(model) << model.error().message;
    constexpr int32_t kSequences = 3, kPages = 16;
    auto kv = KvPages::create((*model)->kv_shape(DType::kF16), kSequences * kPages);
    ASSERT_TRUE(kv) << kv.error().message;
    std::vector<int32_t> pages(kSequences * kPages);
    std::iota(pages.begin(), pages.end(), 0);

    Batch batch;
    for (int32_t s = 0; s < kSequences; ++s) {
      batch.tokens.push_back(s);
      batch.wanted.push_back(s);
      batch.parts.push_back(
          {s, 1, 0, std::span(pages).subspan(static_cast<size_t>(s) * kPages, kPages)});
    }
    const auto step = [&](int32_t position) {
      for (SequenceRows& part : batch.parts) part.position = position;
      (*model)->forward(ctx, batch, *kv);
    };
    // Twice over the same positions: what a longer sequence needs is kept from the first time.
    for (int32_t position = 0; position < 400; ++position) step(position);
    const int64_t before = allocations;
    for (int32_t position = 0; position < 400; ++position) step(position);
    EXPECT_EQ(allocations - before, 0) << threads << " threads";
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace r1

#endif
