// The record of a forward, played backwards for gradients (reverse-mode differentiation). While a
// tape is open on a Context, every op of ops.h notes how its inputs' gradients follow from its
// output's; models know nothing of it (law 2). A tape keeps the tensors it has seen alive, so that
// a tensor is known by its memory.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tensor/context.h"
#include "tensor/tensor.h"

namespace r1 {

class Tape {
 public:
  // Opens itself on ctx; closes with its life. One tape at a time.
  explicit Tape(Context& ctx);
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // Gradients of `leaf` are added to `gradient`, of its shape. Leaves are the tensors that learn.
  void watch(const Tensor& leaf, const Tensor& gradient);

  // y was computed; when its gradient dy is complete, `backward(dy)` adds what follows to the
  // gradients of y's inputs. Called by ops.
  using Backward = std::function<void(const Tensor& dy)>;
  void record(const Tensor& y, Backward backward);

  // For backward functions: dx joins the gradient of x. The tape may keep dx itself.
  void add(const Tensor& x, const Tensor& dx);
  // The same for who adds by himself: where the gradient of x is summed, which `holds` a part of it
  // already or is to be written first.
  struct Sum {
    Tensor to;
    bool holds;
  };
  Sum sum_of(const Tensor& x);
  // The gradient memory of a leaf from its element at `at` on, to add to in place; null if nothing
  // there is watched.
  float* leaf_gradient(const float* at) const;

  // Keys and values that kv_append wrote for a layer: what attention's gradient flows to.
  struct KeysValues {
    Tensor k, v;
  };
  void note_kv(int layer, KeysValues kv);
  const KeysValues& kv(int layer) const;

  // With recomputation, of what recomputed() computes only the input is kept.
  void set_recompute(bool recompute) { recompute_ = recompute; }
  bool recompute() const { return recompute_; }

  // Plays the record backwards from y with its gradient dy; empties it. Leaves' gradients are then
  // complete.
  void backward(const Tensor& y, const Tensor& dy);

 private:
  struct Step {
    Tensor y;
    Backward backward;
  };
  Context& ctx_;
  std::vector<Step> steps_;
  struct Leaf {
    int64_t size;
    Tensor gradient;
  };
  std::unordered_map<const float*, Tensor> gradients_;
  std::map<const float*, Leaf> leaves_;
  std::unordered_map<int, KeysValues> kv_;
  bool recompute_ = false;
};

// f(x, false), a part of a forward such as a layer. Where the open tape recomputes, nothing inside
// is recorded: the backward computes f(x, true) again, the same bits (law 1), and records that.
// What f borrows must live until the tape is played.
template <class F>
Tensor recomputed(Context& ctx, const Tensor& x, F f) {
  Tape* tape = ctx.tape();
  if (!tape || !tape->recompute()) return f(x, false);
  ctx.set_tape(nullptr);
  Tensor y = f(x, false);
  ctx.set_tape(tape);
  tape->record(y, [&ctx, tape, x, f = std::move(f)](const Tensor& dy) {
    ctx.set_tape(tape);
    const Tensor again = f(x, true);  // its steps are the next to be played
    ctx.set_tape(nullptr);
    tape->add(again, dy);
  });
  return y;
}

}  // namespace r1
