// The record of a forward, played backwards for gradients (reverse-mode differentiation). While a
// tape is open on a Context, every op of ops.h notes how its inputs' gradients follow from its
// output's; models know nothing of it (law 2). A tape keeps the tensors it has seen alive, so that
// a tensor is known by its memory.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <unordered_map>
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
};

}  // namespace r1
