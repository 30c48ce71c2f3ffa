// The polynomial that every vector 2^x shares: 2^r for |r| <= 1/2, of least relative error (2e-7)
// with value 1 at 0.
#pragma once

namespace r1 {

constexpr float kExp2[] = {1, 0.693147f, 0.24022242f, 0.055507336f, 0.009671513f, 0.0013264727f};

}  // namespace r1
