#include "infer/speculation.h"

#include "tensor/context.h"

namespace r1 {

void draw_guesses(Context& ctx, const Tensor& logits, int32_t vocab,
                  std::span<Draft* const> drafts) {
  ctx.parallel(std::ssize(drafts), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Draft& d = *drafts[static_cast<size_t>(i)];
      const int64_t position = std::ssize(d.tokens) + std::ssize(d.ids);
      const auto row = logits.row(i).first(static_cast<size_t>(vocab));
      d.ids.push_back(sample(row, *d.sampling, {}, {}, position, -1, ctx.isa()).id);
    }
  });
}

}  // namespace r1
