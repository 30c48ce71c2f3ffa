// For tests: a model whose logits are a hash of every token and position before them, read back
// through the pages, so that a wrong page, position, order or sharing changes what it says.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <vector>

#include "base/rng.h"
#include "model/model.h"
#include "tensor/context.h"

namespace r1 {

class FakeModel final : public Model {
 public:
  static constexpr int64_t kVocab = 97,
                           kPadding = 3;  // logits [kVocab + kPadding]; padding rows shout loudest

  const Config& config() const override { return config_; }
  KvShape kv_shape(DType) const override {
    return {.n_layers = 1, .n_heads = 1, .k_dim = 1, .v_dim = 1, .dtype = DType::kF32};
  }
  uint64_t weight_bytes() const override { return 0; }
  uint64_t step_bytes(int64_t) const override { return 0; }

  Tensor forward(Context& ctx, const Batch& batch, KvPages& kv, const Trace&) const override {
    if (before_step) before_step(batch);
    ++steps;
    for (const auto& part : batch.parts) {
      for (int32_t i = 0; i < part.count; ++i) {
        put(kv.k(page(part, part.position + i), 0, 0), part.position + i,
            batch.tokens[static_cast<size_t>(part.first + i)]);
        put(kv.v(page(part, part.position + i), 0, 0), part.position + i, part.position + i);
      }
    }
    Tensor logits = ctx.tensor(std::ssize(batch.wanted), kVocab + kPadding);
    for (size_t w = 0; w < batch.wanted.size(); ++w) {
      const auto part =
          std::find_if(batch.parts.begin(), batch.parts.end(), [&](const Batch::Part& p) {
            return batch.wanted[w] >= p.first && batch.wanted[w] < p.first + p.count;
          });
      R1_CHECK(part != batch.parts.end());
      fill(logits.row(static_cast<int64_t>(w)), kv, *part,
           part->position + batch.wanted[w] - part->first);
    }
    return logits;
  }

  std::function<void(const Batch&)> before_step;  // called by whoever runs forward
  mutable std::atomic<int64_t> steps = 0;

 private:
  static int32_t page(const Batch::Part& part, int32_t position) {
    return part.pages[static_cast<size_t>(position / kKvPage)];
  }
  static void put(std::byte* page, int32_t position, int32_t value) {
    std::memcpy(page + static_cast<size_t>(position % kKvPage) * 4, &value, 4);
  }
  static int32_t get(const std::byte* page, int32_t position) {
    int32_t value;
    std::memcpy(&value, page + static_cast<size_t>(position % kKvPage) * 4, 4);
    return value;
  }
  static void fill(std::span<float> logits, const KvPages& kv, const Batch::Part& part,
                   int32_t last) {
    uint64_t hash = 0x9E3779B97F4A7C15;
    for (int32_t position = 0; position <= last; ++position) {
      for (const auto* memory :
           {kv.k(page(part, position), 0, 0), kv.v(page(part, position), 0, 0)}) {
        hash = (hash ^ static_cast<uint64_t>(get(memory, position))) * 0xD6E8FEB86659FD93;
        hash ^= hash >> 32;
      }
    }
    for (size_t i = 0; i < logits.size(); ++i)
      logits[i] = static_cast<float>(6 * uniform(hash, 0, i));
    std::fill(logits.end() - kPadding, logits.end(), 100.0f);
  }

  Config config_;
};

}  // namespace r1
