#include "infer/embedding.h"

#include <cmath>

namespace r1 {
namespace {

// Of length 1; zeros stay zeros.
template <class T>
std::vector<float> normal(const std::vector<T>& values) {
  double square = 0;
  for (const T x : values) square += static_cast<double>(x) * static_cast<double>(x);
  const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
  std::vector<float> unit;
  unit.reserve(values.size());
  for (const T x : values) unit.push_back(static_cast<float>(static_cast<double>(x) * scale));
  return unit;
}

}  // namespace

Result<Pooling> find_pooling(const WeightFile& file, std::string_view architecture) {
  const std::string key = fmt::format("{}.pooling_type", architecture);
  R1_TRY(const auto type, file.integer(key));
  switch (type.value_or(0)) {
    case 0:  // none given: as most do
    case 1:
      return Pooling::kMean;
    case 2:
      return Pooling::kFirst;
    case 3:
      return Pooling::kLast;
    default:
      return error("{} is {}: mean (1), first (2) and last (3) are known", key, *type);
  }
}

void Embedder::hidden(int64_t position, std::span<const float> values) {
  if (position == 0) pooled_.assign(values.size(), 0);
  tokens_ = position + 1;
  if (pooling_ == Pooling::kFirst && position > 0) return;
  for (size_t i = 0; i < pooled_.size(); ++i) {
    const double x = static_cast<double>(values[i]);
    pooled_[i] = pooling_ == Pooling::kMean ? pooled_[i] + x : x;
  }
}

Sink::Next Embedder::take(const Sampled&) { return {.drop = 0, .append = {}, .done = true}; }

void Embedder::end(const End& end) {
  if (end.error) return tell_(*end.error);
  if (end.cancelled) return tell_(error("cancelled"));
  Embedding embedding{.values = normal(pooled_), .tokens = tokens_, .seconds = end.prefill_seconds};
  for (const float x : embedding.values)
    if (!std::isfinite(x))
      return tell_(
          error("the hidden states are not numbers: the weights are damaged or overflow; "
                "try --compute f32"));
  tell_(std::move(embedding));
}

void shorten(std::vector<float>& embedding, size_t dimensions) {
  if (dimensions >= embedding.size()) return;
  embedding.resize(dimensions);
  embedding = normal(embedding);
}

}  // namespace r1
