#include "infer/grammar/builder.h"

#include <algorithm>

namespace r1 {
namespace {

constexpr size_t kMostItems = 1 << 20;
constexpr int kMostSpaces = 8;  // between a thought and its answer

using Sequence = GrammarBuilder::Sequence;

}  // namespace

int32_t GrammarBuilder::declare(std::string name) {
  rules_.push_back({.name = std::move(name), .alternatives = {}});
  return static_cast<int32_t>(rules_.size()) - 1;
}

void GrammarBuilder::define(int32_t rule, std::vector<Sequence> alternatives) {
  for (const Sequence& s : alternatives) n_items_ += s.size() + 1;
  if (n_items_ > kMostItems) return;  // build() refuses
  rules_[static_cast<size_t>(rule)].alternatives = std::move(alternatives);
}

Sequence GrammarBuilder::literal(std::string_view bytes) {
  Sequence s;
  for (const char c : bytes)
    s.push_back(
        {.rule = Grammar::kByte, .low = static_cast<uint8_t>(c), .high = static_cast<uint8_t>(c)});
  return s;
}

Sequence GrammarBuilder::characters(const CharSet& set) {
  std::vector<Sequence> alternatives;
  for (const auto& spelling : set.utf8()) {
    Sequence& s = alternatives.emplace_back();
    for (const auto& [low, high] : spelling)
      s.push_back({.rule = Grammar::kByte, .low = low, .high = high});
  }
  return any_of(std::move(alternatives));
}

Sequence GrammarBuilder::any_of(std::vector<Sequence> alternatives) {
  if (alternatives.size() == 1) return alternatives[0];
  const int32_t rule = declare();
  define(rule, std::move(alternatives));
  return reference(rule);
}

// As one item.
Sequence GrammarBuilder::single(Sequence part) {
  if (part.size() == 1) return part;
  const int32_t rule = declare();
  define(rule, {std::move(part)});
  return reference(rule);
}

Sequence GrammarBuilder::repeat(const Sequence& part, int least, int most) {
  const Sequence one = single(part);
  Sequence s;
  if (most < 0) {
    const int32_t more = declare();
    define(more, {join({one, reference(more)}), {}});
    s = reference(more);
  } else {
    for (int i = least; i < std::min(most, kMostRepeats) && n_items_ <= kMostItems; ++i) {
      const int32_t more = declare();
      define(more, {join({one, s}), {}});
      s = reference(more);
    }
  }
  Sequence all;
  for (int i = 0; i < std::min(least, kMostRepeats); ++i) all.push_back(one[0]);
  all.insert(all.end(), s.begin(), s.end());
  return all;
}

Sequence GrammarBuilder::join(std::initializer_list<Sequence> parts) {
  Sequence s;
  for (const Sequence& part : parts) s.insert(s.end(), part.begin(), part.end());
  return s;
}

// Rules of which some alternative holds only such rules, and bytes if they `count`.
std::vector<bool> GrammarBuilder::closed(bool bytes_count) const {
  std::vector<bool> is(rules_.size(), false);
  std::vector<size_t> owners, missing;                   // of each alternative
  std::vector<std::vector<size_t>> uses(rules_.size());  // alternatives that hold the rule
  std::vector<size_t> found;
  const auto add = [&](size_t rule) {
    if (!is[rule]) found.push_back(rule);
    is[rule] = true;
  };
  for (size_t r = 0; r < rules_.size(); ++r) {
    for (const Sequence& s : rules_[r].alternatives) {
      if (!bytes_count && std::ranges::any_of(s, [](const auto& item) { return item.rule < 0; }))
        continue;
      size_t rules = 0;
      for (const Grammar::Item& item : s) {
        if (item.rule < 0) continue;
        uses[static_cast<size_t>(item.rule)].push_back(owners.size());
        ++rules;
      }
      owners.push_back(r);
      missing.push_back(rules);
      if (rules == 0) add(r);
    }
  }
  while (!found.empty()) {
    const size_t rule = found.back();
    found.pop_back();
    for (const size_t user : uses[rule])
      if (--missing[user] == 0) add(owners[user]);
  }
  return is;
}

void GrammarBuilder::drop_endless() {
  const std::vector<bool> ends = closed(true);
  for (Rule& rule : rules_) {
    std::erase_if(rule.alternatives, [&](const Sequence& s) {
      return std::ranges::any_of(s, [&](const Grammar::Item& item) {
        return item.rule >= 0 && !ends[static_cast<size_t>(item.rule)];
      });
    });
  }
}

// A rule that comes back to itself without a byte between, with something still to follow: an
// automaton would go round for ever. Back to itself as the last of it is harmless.
std::optional<std::string> GrammarBuilder::left_recursive() const {
  const size_t n = rules_.size();
  const std::vector<bool> nullable = closed(false);
  struct Edge {
    size_t to;
    bool more;  // something follows
  };
  std::vector<std::vector<Edge>> edges(n);
  for (size_t r = 0; r < n; ++r) {
    for (const Sequence& s : rules_[r].alternatives) {
      for (size_t i = 0; i < s.size() && s[i].rule >= 0; ++i) {
        const auto to = static_cast<size_t>(s[i].rule);
        edges[r].push_back({to, i + 1 < s.size()});
        if (!nullable[to]) break;
      }
    }
  }
  // Tarjan's components, without recursion.
  constexpr size_t kNone = SIZE_MAX;
  std::vector<size_t> index(n, kNone), low(n, 0), component(n, kNone), stack;
  struct Visit {
    size_t rule, edge;
  };
  size_t next = 0, components = 0;
  for (size_t root = 0; root < n; ++root) {
    if (index[root] != kNone) continue;
    std::vector<Visit> visits = {{root, 0}};
    while (!visits.empty()) {
      auto& [r, e] = visits.back();
      if (e == 0) {
        index[r] = low[r] = next++;
        stack.push_back(r);
      }
      if (e < edges[r].size()) {
        const size_t to = edges[r][e++].to;
        if (index[to] == kNone)
          visits.push_back({to, 0});
        else if (component[to] == kNone)
          low[r] = std::min(low[r], index[to]);
        continue;
      }
      const size_t done = r;
      if (low[done] == index[done]) {
        size_t member;
        do {
          member = stack.back();
          stack.pop_back();
          component[member] = components;
        } while (member != done);
        ++components;
      }
      visits.pop_back();
      if (!visits.empty()) low[visits.back().rule] = std::min(low[visits.back().rule], low[done]);
    }
  }
  for (size_t r = 0; r < n; ++r)
    for (const Edge& e : edges[r])
      if (e.more && component[e.to] == component[r]) {
        for (size_t named = 0; named < n; ++named)  // parts of a rule have no name of their own
          if (component[named] == component[r] && !rules_[named].name.empty())
            return rules_[named].name;
        return "";
      }
  return std::nullopt;
}

Result<GrammarPtr> GrammarBuilder::build(const Sequence& root) {
  // A letter more of white space is no other answer: the reader of thoughts drops it.
  const Sequence space =
      repeat(characters({{'\t', '\t'}, {'\n', '\n'}, {'\r', '\r'}, {' ', ' '}}), 0, kMostSpaces);
  const Sequence anything = repeat({{.rule = Grammar::kByte, .low = 0, .high = 255}}, 0, -1);
  const int32_t start = declare(), after = declare(), may_think = declare();
  define(start, {root});
  define(after, {join({space, reference(start)})});
  define(may_think, {join({space, reference(start)}), join({space, literal("<think>"), anything})});
  if (n_items_ > kMostItems) return error("the grammar has more than {} parts", kMostItems);
  drop_endless();
  if (rules_[static_cast<size_t>(start)].alternatives.empty())
    return error("no text keeps to the grammar: what it asks for never ends");
  if (const auto name = left_recursive())
    return error("the grammar{} begins with itself: write it so that something comes before",
                 name->empty() ? "" : "'s rule " + *name);
  auto grammar = std::make_shared<Grammar>();
  for (const Rule& rule : rules_) {
    auto& alternatives = grammar->rules.emplace_back();
    for (const Sequence& s : rule.alternatives) {
      alternatives.push_back(static_cast<int32_t>(grammar->items.size()));
      grammar->items.insert(grammar->items.end(), s.begin(), s.end());
      grammar->items.push_back({.rule = Grammar::kEnd});
    }
  }
  grammar->entries[Grammar::kAtOnce] = start;
  grammar->entries[Grammar::kAfterThought] = after;
  grammar->entries[Grammar::kMayThink] = may_think;
  return GrammarPtr(std::move(grammar));
}

}  // namespace r1
