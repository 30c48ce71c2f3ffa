// A step of AdamW with AVX2; see adamw_loop.h.
#include "kernels/adamw/adamw_loop.h"
#include "kernels/vector_avx2.h"

namespace r1 {

void adamw_avx2(const AdamWStep& s, int64_t n, const float* gradient, float* w, float* m,
                float* v) {
  adamw_loop<Vector8>(s, n, gradient, w, m, v);
}

}  // namespace r1
