// A speculator that hands everything on to another one: for those who look at its guesses, or
// change them, after it has made them.
#pragma once

#include <memory>
#include <utility>

#include "infer/speculation.h"

namespace r1 {

class WrappedSpeculator : public Speculator {
 public:
  explicit WrappedSpeculator(std::unique_ptr<Speculator> inner) : inner_(std::move(inner)) {}

  void look(Draft& draft) override { inner_->look(draft); }
  void propose(std::span<Draft> drafts, KvPages& kv) override { inner_->propose(drafts, kv); }
  bool watches() const override { return inner_->watches(); }
  void watch(std::span<const Watched> parts, const Tensor& last, KvPages& kv) override {
    inner_->watch(parts, last, kv);
  }
  void forget(uint64_t number) override { inner_->forget(number); }
  void end(uint64_t number, std::span<const int32_t> prompt,
           std::span<const int32_t> tokens) override {
    inner_->end(number, prompt, tokens);
  }

 private:
  std::unique_ptr<Speculator> inner_;
};

}  // namespace r1
