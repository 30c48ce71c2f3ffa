// llama.cpp's GBNF: rules of literals, [classes], ., names, (groups), |, and * + ? {m,n} after
// them.
#include <algorithm>
#include <cctype>
#include <map>
#include <string>

#include "infer/grammar/builder.h"
#include "infer/grammar/regex.h"

namespace r1 {
namespace {

using Sequence = GrammarBuilder::Sequence;

constexpr int kDeepest = 100;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), rest_(text) {}

  Result<GrammarPtr> parse() {
    auto root = rules();
    if (root) return builder_.build(*root);
    const auto line = std::count(text_.begin(), text_.end() - std::ssize(rest_), '\n') + 1;
    return std::move(root).error().in(fmt::format("the grammar, line {}", line));
  }

 private:
  Result<Sequence> rules() {
    skip();
    while (!rest_.empty()) {
      const std::string name(word());
      if (name.empty()) return error("the name of a rule is wanted");
      skip();
      if (!take("::=")) return error("after {} stands no ::=", name);
      Rule& rule = find(name);
      if (rule.defined) return error("{} is defined twice", name);
      rule.defined = true;
      const int32_t id = rule.id;
      R1_TRY(Sequence body, alternatives(0));
      if (!at_rule() && !rest_.empty()) return error("{} stands where no rule has it", rest_[0]);
      builder_.define(id, {std::move(body)});
    }
    for (const auto& [name, rule] : rules_)
      if (!rule.defined) return error("{} is used and never defined", name);
    const auto root = rules_.find("root");
    if (root == rules_.end()) return error("there is no rule root, where it would begin");
    return GrammarBuilder::reference(root->second.id);
  }

  struct Rule {
    int32_t id;
    bool defined = false;
  };
  Rule& find(const std::string& name) {
    const auto found = rules_.find(name);
    if (found != rules_.end()) return found->second;
    return rules_.emplace(name, Rule{builder_.declare(name)}).first->second;
  }

  void skip() {
    while (!rest_.empty()) {
      if (rest_[0] == '#')
        rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
      else if (std::isspace(static_cast<unsigned char>(rest_[0])))
        rest_.remove_prefix(1);
      else
        return;
    }
  }
  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::string_view word() {
    size_t n = 0;
    while (n < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[n])) ||
                                rest_[n] == '-' || rest_[n] == '_'))
      ++n;
    const std::string_view w = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return w;
  }
  // Whether the next rule begins here.
  bool at_rule() {
    const std::string_view kept = rest_;
    const bool is = !word().empty() && (skip(), rest_.starts_with("::="));
    rest_ = kept;
    return is;
  }

  Result<Sequence> alternatives(int depth) {
    if (depth > kDeepest) return error("groups are nested deeper than {}", kDeepest);
    std::vector<Sequence> all;
    do {
      R1_TRY(Sequence one, sequence(depth));
      all.push_back(std::move(one));
    } while (take("|"));
    return builder_.any_of(std::move(all));
  }

  Result<Sequence> sequence(int depth) {
    Sequence all;
    for (skip(); !rest_.empty() && rest_[0] != '|' && rest_[0] != ')' && !at_rule(); skip()) {
      R1_TRY(Sequence one, atom(depth));
      R1_TRY(one, repeated(std::move(one)));
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

  Result<Sequence> atom(int depth) {
    if (take("\"")) {
      Sequence all;
      while (!take("\"")) {
        if (rest_.empty() || rest_[0] == '\n') return error("a \" is not closed");
        R1_TRY(const CharSet c, character());
        const Sequence one = builder_.characters(c);
        all.insert(all.end(), one.begin(), one.end());
      }
      return all;
    }
    if (take("[")) {
      R1_TRY(const CharSet set, read_class(rest_));
      return builder_.characters(set);
    }
    if (take(".")) return builder_.characters(CharSet{{0, CharSet::kLast}});
    if (take("(")) {
      R1_TRY(Sequence inner, alternatives(depth + 1));
      if (!take(")")) return error("a ( is not closed");
      return inner;
    }
    const std::string name(word());
    if (name.empty()) return error("{} is not understood here", rest_[0]);
    return GrammarBuilder::reference(find(name).id);
  }

  Result<CharSet> character() {
    if (take("\\")) return read_escape(rest_);
    const char32_t c = take_char(rest_);
    return CharSet{{c, c}};
  }

  Result<Sequence> repeated(Sequence one) {
    if (take("*")) return builder_.repeat(one, 0, -1);
    if (take("+")) return builder_.repeat(one, 1, -1);
    if (take("?")) return builder_.repeat(one, 0, 1);
    if (!take("{")) return one;
    const auto number = [&](int otherwise) {
      skip();
      if (rest_.empty() || !std::isdigit(static_cast<unsigned char>(rest_[0]))) return otherwise;
      int n = 0;
      for (; !rest_.empty() && std::isdigit(static_cast<unsigned char>(rest_[0]));
           rest_.remove_prefix(1))
        n = std::min(n * 10 + (rest_[0] - '0'), GrammarBuilder::kMostRepeats + 1);
      skip();
      return n;
    };
    const int least = number(0);
    const int most = take(",") ? number(-1) : least;
    if (!take("}")) return error("a {{ is not closed");
    if (std::max(least, most) > GrammarBuilder::kMostRepeats)
      return error("at most {} repetitions are taken", GrammarBuilder::kMostRepeats);
    if (most >= 0 && most < least) return error("{{{},{}}} can never be", least, most);
    return builder_.repeat(one, least, most);
  }

  GrammarBuilder builder_;
  std::map<std::string, Rule> rules_;
  std::string_view text_, rest_;
};

}  // namespace

Result<GrammarPtr> gbnf_grammar(std::string_view text) { return Parser(text).parse(); }

}  // namespace r1
