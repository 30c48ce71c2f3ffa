#include "infer/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "base/rng.h"

namespace r1 {
namespace {

constexpr uint64_t kSamplingStream =
    0x73616d70;  // "samp": no other use of the seed shares these draws
// exp(-50) of the most likely, times any vocabulary, is below half a unit in the last place of the
// sum.
constexpr double kNegligible = -50.0;

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

// The lowest id of the greatest number; 0 where there is none.
int32_t argmax(std::span<const float> logits) {
  size_t best = 0;
  float greatest = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > greatest) greatest = logits[i], best = i;
  }
  return static_cast<int32_t>(best);
}

double finite(float x) {
  constexpr float kMost = std::numeric_limits<float>::max();
  return static_cast<double>(std::clamp(x, -kMost, kMost));
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
  // nucleus is among the others: a few hundred instead of a vocabulary.
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

int32_t draw(std::span<const float> logits, const SamplingParams& p, int64_t position) {
  const double greatest = finite(logits[static_cast<size_t>(argmax(logits))]);
  const double scale = 1.0 / static_cast<double>(p.temperature);
  // One comparison decides for nearly all of a large vocabulary; NaN fails it.
  const auto least =
      static_cast<float>(std::max(greatest + kNegligible / scale, finite(-INFINITY)));
  static thread_local std::vector<Candidate>
      candidates;  // megabytes: not asked of the kernel for every token
  candidates.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] >= least)) continue;
    candidates.push_back(
        {static_cast<int32_t>(i), std::exp((finite(logits[i]) - greatest) * scale)});
  }
  if (candidates.empty()) return 0;
  const auto total = [&] {
    double sum = 0;
    for (const Candidate& c : candidates) sum += c.weight;
    return sum;
  };
  if (p.top_k > 0) keep_first(candidates, static_cast<size_t>(p.top_k), more_likely);
  if (p.top_p < 1.0f) keep_nucleus(candidates, total(), static_cast<double>(p.top_p));
  if (p.min_p > 0.0f) {  // the most likely weighs exactly 1 and stands in every selection
    std::erase_if(candidates,
                  [&](const Candidate& c) { return c.weight < static_cast<double>(p.min_p); });
  }
  double left = uniform(p.seed, kSamplingStream, static_cast<uint64_t>(position)) * total();
  for (const Candidate& c : candidates) {
    left -= c.weight;
    if (left < 0) return c.id;
  }
  return candidates.back().id;  // rounding used up the last bit of the sum
}

void add_logprobs(Sampled& sampled, std::span<const float> logits, int n_top) {
  const double greatest = finite(logits[static_cast<size_t>(argmax(logits))]);
  double sum = 0;
  for (const float logit : logits) {
    if (!std::isnan(logit)) sum += std::exp(finite(logit) - greatest);
  }
  const double log_sum = std::log(sum);
  const auto value = [&](int32_t id) {
    const float logit = logits[static_cast<size_t>(id)];
    return std::isnan(logit) ? -std::numeric_limits<double>::infinity() : finite(logit);
  };
  const auto logprob = [&](int32_t id) {
    return static_cast<float>(value(id) - greatest - log_sum);
  };
  sampled.logprob = logprob(sampled.id);
  if (n_top <= 0) return;
  std::vector<int32_t> ids(logits.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  keep_first(ids, static_cast<size_t>(n_top), [&](int32_t a, int32_t b) {
    const double x = value(a), y = value(b);
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
               int64_t position, int n_top) {
  R1_CHECK(!logits.empty());
  std::span<const float> changed = logits;
  std::vector<float> copy;
  if (changes_logits(params)) {
    copy.assign(logits.begin(), logits.end());
    penalize(copy, params, prompt, generated);
    changed = copy;
  }
  Sampled sampled{.id = params.temperature == 0 ? argmax(changed) : draw(changed, params, position),
                  .logprob = 0,
                  .top = {}};
  if (n_top >= 0) add_logprobs(sampled, logits, n_top);
  return sampled;
}

}  // namespace r1
