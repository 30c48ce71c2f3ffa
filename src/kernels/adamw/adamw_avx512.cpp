// A step of AdamW with AVX-512; see adamw_loop.h.
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include "kernels/adamw/adamw_loop.h"
#include "kernels/vector_avx512.h"

namespace r1 {

void adamw_avx512(const AdamWStep& s, int64_t n, const float* gradient, float* w, float* m,
                  float* v) {
  adamw_loop<Vector16>(s, n, gradient, w, m, v);
}

}  // namespace r1
