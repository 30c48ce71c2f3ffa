// The instruction sets kernels are written for, and which of them this process uses.
// R1_ISA=ref|avx2|avx512|neon forces one; an unknown or unsupported name is an error at start,
// never a fallback.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"

namespace r1 {

enum class Isa { kRef, kAvx2, kAvx512, kNeon };

std::string_view name(Isa isa);
bool supported(Isa isa);                // by this processor and this build
std::span<const Isa> supported_isas();  // kRef first, best last
Result<Isa> chosen_isa();               // R1_ISA, else the best supported

}  // namespace r1
