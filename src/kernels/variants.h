// An op's variants, in ascending order of instruction set, and the choice among them.
// Every op folder lists its own; the first is always the reference, which is the definition.
#pragma once

#include <cstddef>

#include "kernels/cpu.h"

namespace r1 {

template <class Run>
struct Variant {
  Isa isa;
  Run* run;
};

// Whether code written for `variant` runs where `machine` is chosen.
constexpr bool runs_on(Isa variant, Isa machine) {
  return variant == Isa::kRef || variant == machine ||
         (variant == Isa::kAvx2 && machine == Isa::kAvx512);
}

// The best variant written for `machine` or below it.
template <class Run, size_t N>
constexpr Run* best(const Variant<Run> (&variants)[N], Isa machine) {
  Run* chosen = variants[0].run;
  for (const auto& variant : variants) {
    if (runs_on(variant.isa, machine)) chosen = variant.run;
  }
  return chosen;
}

}  // namespace r1
