// The instruction sets kernels are written for, and which of them this process uses.
// R1_ISA=ref|avx2|avx512|neon|i8mm forces one; an unknown or unsupported name is an error at start,
// never a fallback.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"

namespace r1 {

// kAvx2 has FMA, F16C and BMI2; kAvx512 VNNI and BF16; kNeon the dot product; kI8mm is kNeon with
// the int8 matrix product.
enum class Isa { kRef, kAvx2, kAvx512, kNeon, kI8mm };
inline constexpr Isa kIsas[] = {Isa::kRef, Isa::kAvx2, Isa::kAvx512, Isa::kNeon, Isa::kI8mm};

// Whether this build has the files of a set: the build chooses them by their suffix
// (CMakeLists.txt).
constexpr bool in_build(Isa isa) {
#ifdef __x86_64__
  return isa == Isa::kRef || isa == Isa::kAvx2 || isa == Isa::kAvx512;
#else
  return isa == Isa::kRef || isa == Isa::kNeon || isa == Isa::kI8mm;
#endif
}

std::string_view name(Isa isa);
bool supported(Isa isa);                // by this processor and this build
std::span<const Isa> supported_isas();  // kRef first, best last
Result<Isa> chosen_isa();               // R1_ISA, else the best supported

}  // namespace r1
