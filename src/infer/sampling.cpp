#include "infer/sampling.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <unordered_set>

#include "base/rng.h"
#include "kernels/logits/logits.h"

namespace r1 {
namespace {

constexpr uint64_t kSamplingStream =
    0x73616d70;  // "samp": no other use of the seed shares these draws
// exp(-40) of the most likely, times any vocabulary, is lost in the rounding of a sum of floats.
constexpr double kNegligible = -40.0;

// A token still in the running, and exp(its scaled logit less the greatest).
struct Candidate {
  int32_t id;
  double weight;
};

bool more_likely(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

bool changes_logits(const SamplingParams& p) {
  return p.repetition_penalty != 1.0f || p.presence_penalty != 0.0f ||
         p.frequency_penalty != 0.0f || !p.logit_bias.empty();
}

void penalize(std::vector<float>& logits, const SamplingParams& p, std::span<const int32_t> prompt,
              std::span<const int32_t> generated) {
  const auto known = [&](int32_t id) { return id >= 0 && static_cast<size_t>(id) < logits.size(); };
  if (p.repetition_penalty != 1.0f) {
    const size_t all = prompt.size() + generated.size();
    const size_t last =
        p.penalty_last_n < 0 ? all : std::min(all, static_cast<size_t>(p.penalty_last_n));
    std::unordered_set<int32_t> seen;
    for (size_t i = all - last; i < all; ++i) {
      const int32_t id = i < prompt.size() ? prompt[i] : generated[i - prompt.size()];
      if (!known(id) || !seen.insert(id).second) continue;
      float& logit = logits[static_cast<size_t>(id)];
      logit = logit > 0 ? logit / p.repetition_penalty : logit * p.repetition_penalty;
    }
  }
  if (p.presence_penalty != 0.0f || p.frequency_penalty != 0.0f) {
    std::unordered_map<int32_t, int32_t> counts;
    for (const int32_t id : generated) {
      if (known(id)) ++counts[id];
    }
    for (const auto& [id, count] : counts) {
      logits[static_cast<size_t>(id)] -=
          p.presence_penalty + p.frequency_penalty * static_cast<float>(count);
    }
  }
  for (const auto& [id, bias] : p.logit_bias) {
    if (known(id)) logits[static_cast<size_t>(id)] += bias;
  }
}

// What must not be drawn becomes NaN, which never is.
void forbid(std::vector<float>& logits, const TokenMask& mask) {
  for (size_t word = 0; word * 64 < logits.size(); ++word) {
    const uint64_t bits = word < mask.size() ? mask[word] : 0;
    if (bits == ~uint64_t{0}) continue;
    for (size_t i = word * 64; i < std::min(word * 64 + 64, logits.size()); ++i)
      if ((bits >> (i % 64) & 1) == 0) logits[i] = NAN;
  }
}

float finite(float x) {
  constexpr float kMost = std::numeric_limits<float>::max();
  return std::clamp(x, -kMost, kMost);
}

// A row of logits, and the greatest of each block of it: what is looked for is in few blocks. The
// memory is the thread's, lent until its next row.
struct Row {
  Row(std::span<const float> logits_, Isa isa_) : logits(logits_), isa(isa_) {
    static thread_local std::vector<float> memory;
    memory.resize((logits.size() + kLogitBlock - 1) / kLogitBlock);
    blocks = memory;
    numbers = best(kBlockMax, isa)(logits.data(), std::ssize(logits), memory.data());
    greatest = *std::max_element(blocks.begin(), blocks.end());
  }

  std::span<const float> block(size_t b) const {
    const size_t begin = b * kLogitBlock;
    return logits.subspan(begin, std::min<size_t>(kLogitBlock, logits.size() - begin));
  }
  double exponent(size_t id, double scale) const {
    return (static_cast<double>(finite(logits[id])) - finite(greatest)) * scale;
  }

  std::span<const float> logits, blocks;
  float greatest;
  bool numbers;
  Isa isa;
};

// The lowest id of the greatest number; 0 where there is none.
int32_t argmax(const Row& row) {
  const auto b = static_cast<size_t>(std::find(row.blocks.begin(), row.blocks.end(), row.greatest) -
                                     row.blocks.begin());
  const auto block = row.block(b);
  const auto found = std::find(block.begin(), block.end(), row.greatest);
  if (found == block.end()) return 0;
  return static_cast<int32_t>(found - block.begin()) + static_cast<int32_t>(b * kLogitBlock);
}

// A lower bound of the n-th greatest logit: the n-th greatest of the blocks' greatest.
float bound_of_nth(const Row& row, size_t n) {
  if (n > row.blocks.size()) return finite(-INFINITY);
  static thread_local std::vector<float> order;
  order.assign(row.blocks.begin(), row.blocks.end());
  const auto nth = order.begin() + static_cast<std::ptrdiff_t>(n) - 1;
  std::nth_element(order.begin(), nth, order.end(), std::greater<>());
  return *nth;
}

// Calls visit(id) for all logits of `least` or more, ascending; NaN is less than any.
template <class Visit>
void for_each_from(const Row& row, float least, Visit visit) {
  for (size_t b = 0; b < row.blocks.size(); ++b) {
    if (!(row.blocks[b] >= least)) continue;
    const auto block = row.block(b);
    for (size_t i = 0; i < block.size(); ++i) {
      if (block[i] >= least) visit(b * kLogitBlock + i);
    }
  }
}

// The sum over a block of e^(scale (x - greatest)).
double block_weight(const Row& row, size_t b, double scale) {
  if ((static_cast<double>(finite(row.blocks[b])) - finite(row.greatest)) * scale < kNegligible)
    return 0;
  const auto block = row.block(b);
  return best(kSumExp, row.isa)(block.data(), std::ssize(block), finite(row.greatest),
                                static_cast<float>(scale));
}

// The n first of `order` move to the front, sorted; the rest is dropped.
template <class T, class Before>
void keep_first(std::vector<T>& items, size_t n, Before before) {
  if (n < items.size()) {
    std::nth_element(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(n), items.end(),
                     before);
    items.resize(n);
  }
  std::sort(items.begin(), items.end(), before);
}

// Keeps the fewest most likely candidates whose weights reach `share` of `total`.
void keep_nucleus(std::vector<Candidate>& candidates, double total, double share) {
  // All candidates below this weight together weigh less than half of what may be left out, so the
  // nucleus is among the others: a few hundred.
  const double threshold = 0.5 * (1.0 - share) * total / static_cast<double>(candidates.size());
  std::erase_if(candidates, [&](const Candidate& c) { return c.weight < threshold; });
  const auto less_likely = [](const Candidate& a, const Candidate& b) { return more_likely(b, a); };
  std::make_heap(candidates.begin(), candidates.end(), less_likely);
  double sum = 0;
  auto end = candidates.end();
  do {
    std::pop_heap(candidates.begin(), end, less_likely);
    sum += (--end)->weight;
  } while (end != candidates.begin() && sum < share * total);
  candidates.erase(candidates.begin(), end);  // what is left is the nucleus, the least likely first
}

double total(std::span<const Candidate> candidates) {
  double sum = 0;
  for (const Candidate& c : candidates) sum += c.weight;
  return sum;
}

int32_t draw_among(std::span<const Candidate> candidates, double at) {
  for (const Candidate& c : candidates) {
    at -= c.weight;
    if (at < 0) return c.id;
  }
  return candidates.back().id;  // rounding used up the last bit of the sum
}

// From everything: a block by its weight, then an id of it.
int32_t draw_from_all(const Row& row, std::span<const double> weights, double at, double scale,
                      std::vector<Candidate>& candidates) {
  size_t chosen = 0;
  for (size_t b = 0; b < weights.size(); ++b) {
    if (weights[b] == 0) continue;
    chosen = b;
    if (at < weights[b]) break;
    at -= weights[b];
  }
  const auto block = row.block(chosen);
  for (size_t i = 0; i < block.size(); ++i) {
    const size_t id = chosen * kLogitBlock + i;
    if (!std::isnan(block[i]))
      candidates.push_back({static_cast<int32_t>(id), std::exp(row.exponent(id, scale))});
  }
  return draw_among(candidates, at);
}

int32_t draw(const Row& row, const SamplingParams& p, int64_t position) {
  const double scale = 1.0 / static_cast<double>(p.temperature);
  const double chance = uniform(p.seed, kSamplingStream, static_cast<uint64_t>(position));
  // Both kept for the thread's next row.
  static thread_local std::vector<Candidate> candidates;
  static thread_local std::vector<double> weights;  // of the blocks
  candidates.clear();
  const auto collect = [&](float least) {
    for_each_from(row, least, [&](size_t id) {
      candidates.push_back({static_cast<int32_t>(id), std::exp(row.exponent(id, scale))});
    });
  };
  // Below any logit whose weight is e^exponent.
  const auto logit_at = [&](double exponent) {
    const double logit = finite(row.greatest) + exponent / scale;
    return logit < finite(-INFINITY) ? -INFINITY
                                     : std::nextafter(static_cast<float>(logit), -INFINITY);
  };

  double mass = 0;  // of what top-p selects from
  if (p.top_k > 0) {
    const auto k = static_cast<size_t>(p.top_k);
    collect(std::max(logit_at(kNegligible), bound_of_nth(row, k)));
    keep_first(candidates, k, more_likely);
    mass = total(candidates);
  } else if (p.top_p < 1.0f || p.min_p == 0.0f) {
    weights.resize(row.blocks.size());
    for (size_t b = 0; b < weights.size(); ++b) mass += weights[b] = block_weight(row, b, scale);
    if (p.top_p == 1.0f) return draw_from_all(row, weights, chance * mass, scale, candidates);
    // What is less likely weighs together a quarter of what may be left out.
    const double left_out = (1.0 - static_cast<double>(p.top_p)) * mass;
    collect(logit_at(std::log(left_out / 4 / static_cast<double>(row.logits.size()))));
  } else {
    collect(logit_at(std::log(static_cast<double>(p.min_p))));
  }
  if (p.top_p < 1.0f) keep_nucleus(candidates, mass, static_cast<double>(p.top_p));
  if (p.min_p > 0.0f) {  // the most likely weighs exactly 1 and stands in every selection
    std::erase_if(candidates,
                  [&](const Candidate& c) { return c.weight < static_cast<double>(p.min_p); });
  }
  return draw_among(candidates, chance * total(candidates));
}

void add_logprobs(Sampled& sampled, const Row& row, int n_top) {
  double mass = 0;
  for (size_t b = 0; b < row.blocks.size(); ++b) mass += block_weight(row, b, 1.0);
  const double log_mass = std::log(mass);
  const auto logprob = [&](int32_t id) {
    const auto i = static_cast<size_t>(id);
    return std::isnan(row.logits[i]) ? -INFINITY
                                     : static_cast<float>(row.exponent(i, 1.0) - log_mass);
  };
  sampled.logprob = logprob(sampled.id);
  if (n_top <= 0) return;
  std::vector<int32_t> ids;
  for_each_from(row, bound_of_nth(row, static_cast<size_t>(n_top)),
                [&](size_t id) { ids.push_back(static_cast<int32_t>(id)); });
  keep_first(ids, static_cast<size_t>(n_top), [&](int32_t a, int32_t b) {
    const float x = row.logits[static_cast<size_t>(a)], y = row.logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  for (const int32_t id : ids) sampled.top.push_back({id, logprob(id)});
}

}  // namespace

Result<void> SamplingParams::check() const {
  const auto within = [](std::string_view what, float value, float low,
                         float high) -> Result<void> {
    if (value >= low && value <= high) return {};
    return error("{} is {}: it must be from {} to {}", what, value, low, high);
  };
  R1_DO(within("temperature", temperature, 0, 100));
  if (temperature > 0 && temperature < 1e-4f) {
    return error("temperature is {}: it must be 0 (the most likely token) or at least 0.0001",
                 temperature);
  }
  if (top_k < 0) return error("top_k is {}: it must be 0 (off) or more", top_k);
  if (!(top_p > 0 && top_p <= 1))
    return error("top_p is {}: it must be above 0 and at most 1", top_p);
  R1_DO(within("min_p", min_p, 0, 1));
  R1_DO(within("repetition_penalty", repetition_penalty, 0.01f, 100));
  R1_DO(within("presence_penalty", presence_penalty, -100, 100));
  R1_DO(within("frequency_penalty", frequency_penalty, -100, 100));
  if (penalty_last_n < -1)
    return error("penalty_last_n is {}: it must be -1 (all) or more", penalty_last_n);
  for (const auto& [id, bias] : logit_bias) {
    if (id < 0) return error("logit_bias names token {}: ids begin at 0", id);
    R1_DO(within("logit_bias", bias, -1000, 1000));
  }
  return {};
}

Sampled sample(std::span<const float> logits, const SamplingParams& params,
               std::span<const int32_t> prompt, std::span<const int32_t> generated,
               int64_t position, int n_top, Isa isa, const TokenMask* mask) {
  R1_CHECK(!logits.empty());
  std::span<const float> changed = logits;
  static thread_local std::vector<float> copy;
  Sampled sampled{.id = 0, .logprob = 0, .top = {}};
  if (changes_logits(params) || mask) {
    copy.assign(logits.begin(), logits.end());
    penalize(copy, params, prompt, generated);
    if (mask) {
      sampled.numbers = Row(logits, isa).numbers;
      forbid(copy, *mask);
    }
    changed = copy;
  }
  {
    const Row row(changed, isa);
    if (!mask) sampled.numbers = row.numbers;
    if (row.greatest > -INFINITY)
      sampled.id = params.temperature == 0 ? argmax(row) : draw(row, params, position);
  }
  if (n_top >= 0) add_logprobs(sampled, Row(logits, isa), n_top);
  return sampled;
}

}  // namespace r1
