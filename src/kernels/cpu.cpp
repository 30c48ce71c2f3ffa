#include "kernels/cpu.h"

#include <fmt/ranges.h>

#include <cstdlib>
#include <vector>

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
  }
  return "?";
}

bool supported(Isa isa) {
  switch (isa) {
    case Isa::kRef:
      return true;
#ifdef __x86_64__
    // The builtins ask the operating system too. F16C comes with every AVX2.
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("bmi2");
    case Isa::kAvx512:
      return supported(Isa::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") &&
             __builtin_cpu_supports("avx512bf16");
    case Isa::kNeon:
      return false;
#else
    case Isa::kAvx2:
    case Isa::kAvx512:
      return false;
    case Isa::kNeon:
      return true;
#endif
  }
  return false;
}

std::span<const Isa> supported_isas() {
  static const std::vector<Isa> isas = [] {
    std::vector<Isa> found;
    for (Isa isa : {Isa::kRef, Isa::kNeon, Isa::kAvx2, Isa::kAvx512}) {
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
