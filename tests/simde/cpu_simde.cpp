// In place of cpu_x86.cpp where AVX-512 is emulated: AVX2 is all it takes.
#include "kernels/cpu_processor.h"

namespace r1 {

bool processor_has(Isa) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi2");
}

}  // namespace r1
