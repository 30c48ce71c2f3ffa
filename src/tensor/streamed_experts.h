// Experts that stay in the file: read and packed when they are chosen, and kept while memory lasts
// in one cache for all layers. What is cached decides how fast an expert comes, never what it
// computes (law 1).
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "tensor/experts.h"

namespace r1 {

// Packed experts of all layers, at most `budget` bytes of them beside those in use. Where one must
// go it is the one used least often, old uses counting less and less. Used by one thread at a time.
class ExpertCache {
 public:
  explicit ExpertCache(uint64_t budget) : budget_(budget) {}

  struct Use {
    uint64_t asked = 0, found = 0;  // experts
    uint64_t bytes_read = 0;        // as stored, of those not found
  };
  uint64_t budget() const { return budget_; }
  uint64_t stored() const { return stored_; }                // bytes in the file, of all experts
  Use use() const { return {asked_, found_, bytes_read_}; }  // so far; from any thread

 private:
  friend class StreamedExperts;
  struct Entry {
    Expert expert;
    std::shared_ptr<std::byte> memory;  // of its three matrices; null: not cached
    uint64_t bytes = 0;
    double uses = 0;        // fading, as of
    uint64_t last_use = 0;  // in experts asked
    std::list<Entry*>::iterator place{};
  };

  void count_use(Entry& entry);
  double uses_now(const Entry& entry) const;
  // Memory for one more expert: an evicted one's where the size is the same. Null where only
  // experts in use could go and `must` is not said.
  std::shared_ptr<std::byte> make_room(uint64_t bytes, bool must);
  bool in_use(const Entry& entry) const;

  const uint64_t budget_;
  uint64_t used_ = 0, stored_ = 0;
  uint64_t now_ = 0;
  std::list<Entry*> cached_;
  std::atomic<uint64_t> asked_ = 0, found_ = 0, bytes_read_ = 0;
};

// `stored` is mapped and stays so as long as the experts live. Errors name a type that no kernel
// multiplies, or a cache too small for one expert.
Result<std::unique_ptr<Experts>> streamed_experts(const Context& ctx, Compute compute,
                                                  std::span<const StoredExpert> stored,
                                                  std::shared_ptr<ExpertCache> cache);

}  // namespace r1
