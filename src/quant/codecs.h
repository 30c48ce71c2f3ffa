// The decoders and encoders behind the table of dtype.cpp, one pair per block format; DTypeInfo
// says what they do. An encoder's values must be finite; decoding is exact: a product is rounded
// once per factor, in the stated order.
#pragma once

#include <cstddef>

namespace r1 {

using Decode = void(const std::byte* blocks, float* values, size_t n);
using Encode = void(const float* values, std::byte* blocks, size_t n, const float* importance);

Decode decode_f32, decode_f16, decode_bf16, decode_f8e4m3;
Decode decode_q4_0, decode_q4_1, decode_q5_0, decode_q5_1, decode_q8_0;
Decode decode_q2_k, decode_q3_k, decode_q4_k, decode_q5_k, decode_q6_k;
Decode decode_iq4_nl, decode_iq4_xs, decode_mxfp4;

Encode encode_f32, encode_f16, encode_bf16;
Encode encode_q4_0, encode_q4_1, encode_q5_0, encode_q5_1, encode_q8_0;
Encode encode_q2_k, encode_q3_k, encode_q4_k, encode_q5_k, encode_q6_k;

}  // namespace r1
