#include "kernels/cpu.h"

#include <fmt/ranges.h>

#include <cstdlib>
#include <vector>

#include "kernels/cpu_processor.h"

namespace r1 {

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::kRef:
      return "ref";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kNeon:
      return "neon";
    case Isa::kI8mm:
      return "i8mm";
  }
  return "?";
}

bool supported(Isa isa) { return isa == Isa::kRef || (in_build(isa) && processor_has(isa)); }

std::span<const Isa> supported_isas() {
  static const std::vector<Isa> isas = [] {
    std::vector<Isa> found;
    for (Isa isa : kIsas) {
      if (supported(isa)) found.push_back(isa);
    }
    return found;
  }();
  return isas;
}

Result<Isa> chosen_isa() {
  const char* forced = std::getenv("R1_ISA");
  if (!forced || !*forced) return supported_isas().back();
  std::vector<std::string_view> names;
  for (Isa isa : supported_isas()) {
    if (forced == name(isa)) return isa;
    names.push_back(name(isa));
  }
  return error("R1_ISA={}: this machine and build have {}", forced, fmt::join(names, ", "));
}

}  // namespace r1
