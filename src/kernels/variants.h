// An op's variants, in ascending order of instruction set, and the choice among them.
// Every op folder lists its own; the first is always the reference, which is the definition.
#pragma once

#include <cstddef>

#include "kernels/cpu.h"

namespace r1 {

// A table names every variant there is; those of other processors' instruction sets are null. The
// tables are constant expressions, so that nothing refers to what is not in the build.
template <class Run>
struct Variant {
  constexpr Variant(Isa isa_, Run* run_) : isa(isa_), run(in_build(isa_) ? run_ : nullptr) {}

  Isa isa;
  Run* run;
};

// Whether code written for `variant` runs where `machine` is chosen.
constexpr bool runs_on(Isa variant, Isa machine) {
  return variant == Isa::kRef || variant == machine ||
         (variant == Isa::kAvx2 && machine == Isa::kAvx512) ||
         (variant == Isa::kNeon && machine == Isa::kI8mm);
}

// The best variant written for `machine` or below it.
template <class Run, size_t N>
constexpr Run* best(const Variant<Run> (&variants)[N], Isa machine) {
  Run* chosen = variants[0].run;
  for (const auto& variant : variants) {
    if (variant.run && runs_on(variant.isa, machine)) chosen = variant.run;
  }
  return chosen;
}

}  // namespace r1
