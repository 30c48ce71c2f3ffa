// How much memory this process may still take, and how many tokens of context fit into it.
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

}  // namespace r1
