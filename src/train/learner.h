// A model that learns: forward with tape, backward, AdamW. What the loss is its caller says, by the
// gradient of every wanted token's log-probability: SFT and GRPO differ in nothing else here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "model/model.h"
#include "tensor/tape.h"
#include "train/adamw.h"
#include "train/checkpoint.h"
#include "train/expert_balance.h"

namespace r1 {

// One sequence of a batch. The tokens [first, ids.size()) are wanted: each is predicted from all
// before it. 1 <= first < ids.size().
struct TrainSequence {
  std::span<const int32_t> ids;
  int64_t first = 1;
};

// How one parameter is treated, where it differs from the others.
struct Tuning {
  double lr = 1;  // factor of the learning rate
  std::optional<double> weight_decay = {};
  bool frozen = false;  // neither changes nor costs gradients and moments
};

class Learner {
 public:
  struct Options {
    AdamW adamw;
    Schedule schedule;
    std::function<Tuning(const ModelParameter&)> tuning = {};  // none: all alike
    double clip_norm = 1;  // of all gradients together; 0: no clipping
    double stop_norm = 0;  // a larger norm is an error; 0: none is
    // Tokens of one forward and backward, a longer sequence apart: the fewer, the more of what a
    // small model computes stays in the cache.
    int64_t micro_batch = 1024;
    // Keep the input of every layer alone and compute the layer again in the backward: the same
    // gradients to the bit, for a third more time and a fraction of the memory.
    bool recompute = false;
    // Lambda of DeepSeek-V3's eq. 25: where the model drafts, the layer that predicts the token
    // after next learns beside: each wanted token's log-probability there gets so much of the
    // gradient of its own. 0: it does not.
    double mtp_weight = 0;
    double balance_rate = 0;  // by which biases of expert gates move in a step; 0: they stay
  };

  // The model was loaded with LoadOptions::learn; both outlive the learner.
  Learner(const Model& model, Context& ctx, const Options& options);

  // Log-probabilities of the wanted tokens of every sequence, one after another, without gradients.
  Result<std::vector<float>> log_probabilities(std::span<const TrainSequence> batch);

  // The same with gradients: `loss_gradient` gets the log-probabilities of one sequence (by number)
  // and fills d loss / d logp; the parameters' gradients are added to those before. Sequences are
  // packed into forwards of micro_batch tokens: no padding, and none sees another.
  using LossGradient =
      FunctionRef<void(size_t sequence, std::span<const float> logp, std::span<float> gradient)>;
  Result<void> accumulate(std::span<const TrainSequence> batch, LossGradient loss_gradient);

  struct Step {
    int64_t step = 0;
    double lr = 0, gradient_norm = 0;  // the norm before clipping
    double mtp_loss = 0;       // mean over the tokens it predicted since the last step; 0: none
    double max_violation = 0;  // of the balance of experts (expert_balance.h)
  };
  // One step of AdamW with the accumulated gradients, which are then zero. Error: a gradient that
  // is not finite, by its tensor, or a norm above stop_norm; the weights are as before.
  Result<Step> step();

  // The gradients accumulated so far are forgotten.
  void drop_gradients();

  // All that another learner of the same model and settings needs to go on: "model/NAME" of every
  // parameter, "adamw_m/NAME" and "adamw_v/NAME" of those that learn, the value "adamw.step".
  void save(SavedState& to) const;
  Result<void> restore(const SavedState& from);

  const Model& model() const { return model_; }
  std::span<const float> gradient(size_t parameter) const { return states_[parameter].gradient; }
  // Bytes of gradients and moments.
  uint64_t state_bytes() const;

 private:
  struct State {  // of a parameter; empty where it does not learn
    Tuning tuning;
    std::vector<float> gradient, m, v;
  };
  Result<KvPages*> pages_for(int64_t n_pages);
  struct Packed;
  template <class Visit>
  Result<void> forwards(std::span<const TrainSequence> batch, const Trace& trace,
                        const Visit& visit);
  void look_ahead(Tape& tape, std::span<const TrainSequence> batch, const Packed& packed,
                  const Tensor& last, const Tensor& gradient);

  const Model& model_;
  Context& ctx_;
  Options options_;
  std::vector<State> states_;
  std::unique_ptr<KvPages> pages_;
  ExpertBalance balance_;
  double mtp_loss_ = 0;  // sum of the tokens it predicted since the last step
  int64_t mtp_tokens_ = 0;
  int64_t step_ = 0;
};

}  // namespace r1
