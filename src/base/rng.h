// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC11). A draw depends on (seed, stream, counter) alone, so it never depends on who drew
// before (law 1).
#pragma once

#include <array>
#include <cstdint>

namespace r1 {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Uniform in [0, 1) with 53 random bits.
double uniform(uint64_t seed, uint64_t stream, uint64_t counter);

// Standard normal by Box-Muller.
double normal(uint64_t seed, uint64_t stream, uint64_t counter);

// 64 bits from the operating system, for what must not repeat: seeds nobody gave, names.
uint64_t fresh_number();

}  // namespace r1
