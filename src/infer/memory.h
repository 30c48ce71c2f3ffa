// How much memory this process may still take, and how many tokens of context fit into it: the
// arithmetic that the engine plans by and `r1 fit` foretells.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace r1 {

// Bytes: what the kernel calls available, within the limits of our cgroups. `root` is put before
// /proc and /sys, for tests.
Result<uint64_t> available_memory(const std::string& root = "");

struct ContextPlan {
  int64_t context = 0;  // tokens of one sequence
  int32_t pages = 0;    // of the whole cache: up to four contexts, shared by all sequences
};

// free: bytes for keys, values and activations. per_token: bytes of keys and values. own: the
// model's context. asked: 0 for what fits, at most `own`; else exactly that, or an error that says
// what would fit.
Result<ContextPlan> plan_context(uint64_t free, uint64_t per_token, int64_t own, int64_t asked);

// What must be free for `kv` bytes of keys and values, activations and the rest beside them.
uint64_t room_for(uint64_t kv);

// What of a GPU's memory weights, keys and values may take: 95 % less 0.75 GiB for the driver,
// activations and the display.
uint64_t usable_gpu_memory(uint64_t bytes);

// A mixture of experts larger than memory: what must stay (`resident`) and keys and values come
// first, experts get the rest as a cache.
struct ExpertPlan {
  bool runs = false;   // resident, keys and values fit, and something is left
  uint64_t cache = 0;  // bytes, at most all experts
};
ExpertPlan plan_experts(uint64_t memory, uint64_t resident, uint64_t experts, uint64_t kv);

}  // namespace r1
