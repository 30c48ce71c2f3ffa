// A text as one vector: the hidden states of its positions pooled, of length 1.
#pragma once

#include <functional>
#include <vector>

#include "format/weight_file.h"
#include "infer/batcher.h"

namespace r1 {

enum class Pooling : uint8_t { kMean, kFirst, kLast };

// What a GGUF file says of itself ("pooling_type"); kMean where it says nothing. Refuses kinds that
// give no vector.
Result<Pooling> find_pooling(const WeightFile& file, std::string_view architecture);

struct Embedding {
  std::vector<float> values;  // [dim]
  int64_t tokens = 0;
  double seconds = 0;
};

// Hears the states of a request with `hidden` and tells the vector, from the batcher's worker.
class Embedder final : public Sink {
 public:
  using Tell = std::function<void(Result<Embedding>)>;
  Embedder(Pooling pooling, Tell tell) : pooling_(pooling), tell_(std::move(tell)) {}

  void hidden(int64_t position, std::span<const float> values) override;
  Next take(const Sampled& token) override;  // never: nothing is drawn
  void end(const End& end) override;

 private:
  Pooling pooling_;
  Tell tell_;
  std::vector<double> pooled_;  // a sum in the order of positions (law 1)
  int64_t tokens_ = 0;
};

// Shortened to its first `dimensions`, of length 1 again.
void shorten(std::vector<float>& embedding, size_t dimensions);

}  // namespace r1
