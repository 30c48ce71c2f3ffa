#include "tensor/tape.h"

#include <algorithm>
#include <utility>

#include "kernels/elementwise/elementwise.h"

namespace r1 {
namespace {

// to = a + b.
void sum(Context& ctx, const float* a, const float* b, int64_t n, float* to) {
  Add* add = best(kAdd, ctx.isa());
  ctx.parallel(n, 16384, [&](int64_t begin, int64_t end) {
    add(a + begin, b + begin, end - begin, to + begin);
  });
}

// Whether a gradient is also that of another tensor, or of whoever plays the record: beside the one
// that the tape keeps and the context's there is another holder.
bool shared(const Tensor& gradient) { return gradient.memory().use_count() > 2; }

}  // namespace

Tape::Tape(Context& ctx) : ctx_(ctx) {
  R1_CHECK(!ctx.tape());
  ctx.set_tape(this);
}

Tape::~Tape() { ctx_.set_tape(nullptr); }

void Tape::watch(const Tensor& leaf, const Tensor& gradient) {
  R1_CHECK(gradient.size() == leaf.size());
  leaves_[leaf.data()] = {leaf.size(), gradient};
}

void Tape::record(const Tensor& y, Backward backward) {
  steps_.push_back({y, std::move(backward)});
}

void Tape::add(const Tensor& x, const Tensor& dx) {
  R1_CHECK(dx.size() == x.size());
  if (float* leaf = leaf_gradient(x.data())) return sum(ctx_, leaf, dx.data(), dx.size(), leaf);
  Tensor& gradient = gradients_[x.data()];
  if (!gradient) {
    gradient = dx;
    return;
  }
  Tensor to = shared(gradient) ? ctx_.tensor(x.rows(), x.cols()) : gradient;
  sum(ctx_, gradient.data(), dx.data(), dx.size(), to.data());
  gradient = std::move(to);
}

Tape::Sum Tape::sum_of(const Tensor& x) {
  R1_CHECK(!leaf_gradient(x.data()));
  Tensor& gradient = gradients_[x.data()];
  const bool holds = static_cast<bool>(gradient);
  if (!holds || shared(gradient)) {
    const Tensor before = std::exchange(gradient, ctx_.tensor(x.rows(), x.cols()));
    if (holds) std::copy_n(before.data(), before.size(), gradient.data());
  }
  return {gradient, holds};
}

float* Tape::leaf_gradient(const float* at) const {
  auto found = leaves_.upper_bound(at);
  if (found == leaves_.begin()) return nullptr;
  --found;
  const int64_t offset = at - found->first;
  return offset < found->second.size ? found->second.gradient.data() + offset : nullptr;
}

void Tape::note_kv(int layer, KeysValues kv) { kv_[layer] = std::move(kv); }

const Tape::KeysValues& Tape::kv(int layer) const {
  const auto found = kv_.find(layer);
  R1_CHECK(found != kv_.end());
  return found->second;
}

void Tape::backward(const Tensor& y, const Tensor& dy) {
  ctx_.set_tape(nullptr);  // what runs now is not recorded
  add(y, dy);
  while (!steps_.empty()) {
    const Step step = std::move(steps_.back());
    steps_.pop_back();
    const auto found = gradients_.find(step.y.data());
    if (found == gradients_.end()) continue;  // nothing that was asked for depends on it
    const Tensor gradient = std::move(found->second);
    gradients_.erase(found);
    step.backward(gradient);
  }
  gradients_.clear();
  kv_.clear();
  ctx_.set_tape(this);
}

}  // namespace r1
