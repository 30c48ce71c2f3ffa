// Where the weights of a layer's routed experts live: all in memory, or in the file and read when
// they are chosen. The op that multiplies them (moe.h) asks the same way of both, and by law 1 gets
// the same bits: an expert is packed by the same kernel wherever it comes from.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tensor/weight.h"

namespace r1 {

// down(silu(gate x) * up x). All experts of a layer are of one shape and of the same types.
struct Expert {
  Weight gate, up, down;  // 2 x [inter, dim], [dim, inter]
};

// The same as the file stores it.
struct StoredExpert {
  StoredMatrix gate, up, down;
};

class Experts {
 public:
  virtual ~Experts() = default;
  virtual int64_t count() const = 0;
  virtual uint64_t resident_bytes() const = 0;  // packed, of all that is always in memory
  virtual uint64_t expert_bytes() const = 0;    // packed, of one expert
  // The experts `wanted` (ascending, none twice) in that order: all, or the first of them, at least
  // one, as far as memory goes. The rest will be asked for next, so they may be read ahead. What is
  // returned stays in memory as long as the caller holds it. A file that cannot be read is thrown
  // as std::runtime_error. Called by one thread at a time.
  virtual std::vector<Expert> acquire(Context& ctx, std::span<const int32_t> wanted) = 0;
};

// These, in memory, `bytes` of them.
std::unique_ptr<Experts> resident_experts(std::vector<Expert> experts, uint64_t bytes);
// All in memory. Errors name a type that no kernel multiplies, or the memory asked for.
Result<std::unique_ptr<Experts>> resident_experts(Context& ctx, Compute compute,
                                                  std::span<const StoredExpert> stored);

}  // namespace r1
