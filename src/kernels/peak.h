// What one thread of this machine can do at best: the yardsticks that speeds are given beside. Each
// probe runs for about 50 ms; run it in several threads at once to learn what they reach together.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/cpu.h"

namespace r1 {

// Bytes per second / 1e9 read once from start to end of `memory`, which should be far larger than
// the caches.
double memory_read_gbps(std::span<const std::byte> memory);

// Multiply-adds counted as two operations, 1e9 per second, in registers: F32 FMA, and the int8 dot
// product of `isa` (vpmaddubsw with sums in 16 bits, vpdpbusd, sdot, smmla). Scalar code for kRef.
double f32_peak_gflops(Isa isa);
double int8_peak_gops(Isa isa);

}  // namespace r1
