// What the processor and its operating system offer; cpu_x86.cpp and cpu_arm.cpp, of which a build
// has one.
#pragma once

#include "kernels/cpu.h"

namespace r1 {

bool processor_has(Isa isa);  // for sets of this build

}  // namespace r1
