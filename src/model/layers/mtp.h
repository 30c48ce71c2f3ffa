// Multi-token prediction (DeepSeek-V3 technical report, section 2.2, eq. 21 to 23): from the hidden
// state of a token and the token after it, through one more block, the token after that. Embedding
// and head are the model's own.
#pragma once

#include "model/binder.h"
#include "model/config.h"

namespace r1 {

struct MtpWeights {
  Tensor h_norm, e_norm, out_norm;  // [dim]
  Weight proj;                      // M [dim, 2 dim]
};

bool has_mtp(const Binder& b);
void bind(Binder& b, MtpWeights& l, const Config& c);

// (21) hidden, embedding [T, dim] -> what the block takes [T, dim].
Tensor mtp_input(Context& ctx, const Config& c, const MtpWeights& l, const Tensor& hidden,
                 const Tensor& embedding);

}  // namespace r1
