// A smaller model of the same vocabulary guesses: its own weights, keys and values, stepped between
// the steps of the large one.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "infer/kv_cache.h"
#include "infer/speculation.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace r1 {

// Whether ids mean the same to both, and what differs first if not. A vocabulary is its tokenizer's
// or, where neither model has one, its size.
Result<void> check_same_vocabulary(const Tokenizer* large, int64_t large_size,
                                   const Tokenizer* small, int64_t small_size);

// A model that may guess for `large`, whose tokenizer (null: none) that is. The error names the
// path.
Result<std::unique_ptr<Model>> load_draft(const std::string& path, Compute compute,
                                          const Model& large, const Tokenizer* tokenizer,
                                          Context& ctx);

class DraftModel final : public Speculator {
 public:
  // pages: of the small model's shape. vocab: ids that may be guessed.
  DraftModel(std::shared_ptr<const Model> model, Context& ctx, KvPages pages, int32_t vocab)
      : model_(std::move(model)), ctx_(ctx), cache_(std::move(pages)), vocab_(vocab) {}

  void look(Draft& draft) override;
  void propose(std::span<Draft> drafts, KvPages& kv) override;
  void forget(uint64_t number) override;
  void end(uint64_t number, std::span<const int32_t> prompt,
           std::span<const int32_t> tokens) override;

 private:
  struct Sequence {
    KvSequence kv;
    std::vector<int32_t> tokens;  // [kv.length]
    std::vector<int32_t> guess;   // whose keys and values stand behind those
  };
  bool prepare(const Draft& draft, Sequence& s);

  std::shared_ptr<const Model> model_;
  Context& ctx_;
  PageCache cache_;
  int32_t vocab_;
  std::map<uint64_t, Sequence> sequences_;
};

}  // namespace r1
