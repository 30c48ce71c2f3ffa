// The model's own guess: its multi-token prediction layer (DeepSeek-V3, section 2.2), fed with what
// the model itself knew after its last layer. The layer's keys and values stand in the model's
// pages, so that a shared prefix shares them too. Where nothing is asked for a while the layer
// computes many positions at once; and where it is a large part of the model, none any more.
#pragma once

#include <map>
#include <vector>

#include "infer/speculation.h"
#include "model/model.h"

namespace r1 {

class DraftHead final : public Speculator {
 public:
  // model.drafts(). vocab: ids that may be guessed.
  DraftHead(const Model& model, Context& ctx, int32_t vocab);

  void look(Draft& draft) override;
  void propose(std::span<Draft> drafts, KvPages& kv) override;
  bool watches() const override { return true; }
  void watch(std::span<const Watched> parts, const Tensor& last, KvPages& kv) override;
  void forget(uint64_t number) override { sequences_.erase(number); }
  void end(uint64_t number, std::span<const int32_t>, std::span<const int32_t>) override {
    forget(number);
  }

 private:
  // Positions the layer has not seen yet: [first, end), and what the model knew there.
  struct Unseen {
    int64_t first = 0, end = 0;
    int64_t idle = 0;           // steps since a guess was asked for
    std::vector<float> hidden;  // [end - first, dim]
  };
  struct Feed;

  const Model& model_;
  Context& ctx_;
  int32_t vocab_;
  int64_t most_idle_;  // steps, after which a sequence has no more guesses
  std::map<uint64_t, Unseen> sequences_;
};

}  // namespace r1
