#include "tensor/context.h"

#include <algorithm>
#include <bit>
#include <new>

#include "tensor/weight.h"

namespace r1 {
namespace {

// From this size on blocks lie in huge pages, several to one if they are small.
constexpr size_t kLargeBlock = 64 << 10, kHugePage = 2 << 20;

}  // namespace

Result<std::unique_ptr<Context>> Context::create(int n_threads) {
  R1_TRY(const Isa isa, chosen_isa());
  if (n_threads < 0) return error("threads {}: at least 1, or 0 for every core", n_threads);
  return std::make_unique<Context>(isa, n_threads == 0 ? available_cores() : n_threads);
}

std::shared_ptr<std::byte> Context::scratch(size_t bytes) {
  constexpr std::align_val_t kAlign{64};
  const auto order = static_cast<size_t>(std::bit_width(std::max<size_t>(bytes, 64) - 1));
  R1_CHECK(order < blocks_.size());
  auto& blocks = blocks_[order];
  for (const auto& block : blocks) {
    if (block.use_count() == 1) return block;
  }
  const size_t size = size_t{1} << order;
  if (size < kLargeBlock) {
    auto* memory = static_cast<std::byte*>(::operator new(size, kAlign));
    return blocks.emplace_back(memory, [](std::byte* p) { ::operator delete(p, kAlign); });
  }
  const size_t together = std::max(size, kHugePage);
  const auto memory = reserve_pages(together);
  if (!memory) throw std::bad_alloc();
  for (size_t at = 0; at < together; at += size)
    blocks.emplace_back(memory->get() + at, [pages = *memory](std::byte*) {});
  return blocks.back();
}

Tensor Context::tensor(int64_t rows, int64_t cols) {
  R1_CHECK(rows >= 0 && cols >= 0);
  const auto block = scratch(static_cast<size_t>(rows * cols) * sizeof(float));
  return {std::shared_ptr<float>(block, reinterpret_cast<float*>(block.get())), rows, cols};
}

}  // namespace r1
