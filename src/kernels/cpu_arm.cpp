#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "kernels/cpu_processor.h"

namespace r1 {

bool processor_has(Isa isa) {
  const bool dot_product = getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
  if (isa == Isa::kNeon) return dot_product;
  return dot_product && (getauxval(AT_HWCAP2) & HWCAP2_I8MM);
}

}  // namespace r1
