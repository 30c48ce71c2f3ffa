#include "text/spm.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "text/unicode.h"

namespace r1 {
namespace {

constexpr size_t kMaxToken = 512;  // bytes; every way to cut a token is tried

// rank[id]: 0 for the highest score.
std::vector<uint32_t> ranks_of(const std::vector<float>& scores) {
  std::vector<uint32_t> order(scores.size()), rank(scores.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
  uint32_t next = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && scores[order[i]] < scores[order[i - 1]]) ++next;
    rank[order[i]] = next;
  }
  return rank;
}

}  // namespace

Result<Merges> spm_merges(const Vocab& vocab, const std::vector<float>& scores,
                          const std::vector<bool>& mergeable,
                          std::unordered_map<std::string, int32_t>& stand_ins) {
  for (size_t id = 0; id < scores.size(); ++id) {
    if (std::isnan(scores[id])) return error("tokenizer.ggml.scores: token {} has no number", id);
  }
  struct Rule {
    int32_t left, right;
    Merge merge;
  };
  const std::vector<uint32_t> rank = ranks_of(scores);
  std::vector<Rule> rules;
  // A token's id, a stand-in for a single character, or kAbsent.
  const auto symbol = [&](std::string_view text) {
    const int32_t id = vocab.find(text);
    if (id != Vocab::kAbsent || decode_char(text, 0).length != text.size()) return id;
    const auto fresh = static_cast<int32_t>(vocab.size() + stand_ins.size());
    return stand_ins.try_emplace(std::string(text), fresh).first->second;
  };
  for (size_t id = 0; id < vocab.size(); ++id) {
    const std::string_view text = vocab[id];
    if (!mergeable[id]) continue;
    if (text.size() > kMaxToken) {
      return error("tokenizer.ggml.tokens: token {} has {} bytes, at most {} are taken", id,
                   text.size(), kMaxToken);
    }
    for (size_t cut = 0; cut < text.size();) {
      cut += decode_char(text, cut).length;
      if (cut >= text.size()) break;
      const int32_t left = symbol(text.substr(0, cut)), right = symbol(text.substr(cut));
      if (left == Vocab::kAbsent || right == Vocab::kAbsent) continue;
      rules.push_back({left, right, {rank[id], static_cast<int32_t>(id)}});
    }
  }
  Merges merges(rules.size());
  for (const Rule& rule : rules) merges.add(rule.left, rule.right, rule.merge);
  return merges;
}

}  // namespace r1
