#include "grade/countdown.h"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace r1 {
namespace {

constexpr int kMaxDepth = 64;

// a * b and a + b, or nothing where they leave the 64-bit integers.
std::optional<int64_t> times(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional(product);
}
std::optional<int64_t> plus(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? std::nullopt : std::optional(sum);
}

std::optional<Rational> fraction(std::optional<int64_t> numerator,
                                 std::optional<int64_t> denominator) {
  if (!numerator || !denominator || *denominator == 0) return std::nullopt;
  if (*numerator == INT64_MIN || *denominator == INT64_MIN) return std::nullopt;
  const int64_t common = std::gcd(*numerator, *denominator) * (*denominator < 0 ? -1 : 1);
  return Rational{*numerator / common, *denominator / common};
}

std::optional<Rational> combine(char op, const Rational& a, const Rational& b) {
  if (op == '*')
    return fraction(times(a.numerator, b.numerator), times(a.denominator, b.denominator));
  if (op == '/')
    return fraction(times(a.numerator, b.denominator), times(a.denominator, b.numerator));
  const auto left = times(a.numerator, b.denominator), right = times(b.numerator, a.denominator);
  if (!left || !right || *right == INT64_MIN) return std::nullopt;
  return fraction(plus(*left, op == '+' ? *right : -*right), times(a.denominator, b.denominator));
}

// sum := product (("+" | "-") product)*;  product := signed (("*" | "/") signed)*;
// signed := ("+" | "-")* (number | "(" sum ")")
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<Arithmetic> run() {
    const auto value = sum();
    skip_spaces();
    if (!value || at_ != text_.size()) return std::nullopt;
    return Arithmetic{*value, std::move(numbers_)};
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  // The next character that is no space, or 0.
  char peek() {
    skip_spaces();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  std::optional<Rational> sum() { return chain('+', '-', &Parser::product); }
  std::optional<Rational> product() { return chain('*', '/', &Parser::factor); }

  std::optional<Rational> chain(char one, char other, std::optional<Rational> (Parser::*part)()) {
    auto value = (this->*part)();
    while (value && (peek() == one || peek() == other)) {
      const char op = text_[at_++];
      const auto right = (this->*part)();
      if (!right) return std::nullopt;
      value = combine(op, *value, *right);
    }
    return value;
  }

  std::optional<Rational> factor() {
    bool negative = false;
    for (; peek() == '+' || peek() == '-'; ++at_) negative ^= text_[at_] == '-';
    std::optional<Rational> value = peek() == '(' ? parenthesis() : number();
    if (value && negative) value->numerator = -value->numerator;
    return value;
  }

  std::optional<Rational> parenthesis() {
    if (++depth_ > kMaxDepth) return std::nullopt;
    ++at_;
    const auto value = sum();
    if (!value || peek() != ')') return std::nullopt;
    ++at_;
    --depth_;
    return value;
  }

  std::optional<Rational> number() {
    int64_t value;
    const char* begin = text_.data() + at_;
    const char* end = text_.data() + text_.size();
    if (begin == end || *begin < '0' || *begin > '9') return std::nullopt;
    const auto [stop, failure] = std::from_chars(begin, end, value);
    if (failure != std::errc() || (*begin == '0' && stop - begin > 1)) return std::nullopt;
    at_ += static_cast<size_t>(stop - begin);
    numbers_.push_back(value);
    return Rational{value, 1};
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  std::vector<int64_t> numbers_;
};

}  // namespace

std::optional<Arithmetic> evaluate_arithmetic(std::string_view text) { return Parser(text).run(); }

namespace {

bool uses_all(const CountdownProblem& problem, const Arithmetic& arithmetic) {
  return std::is_permutation(arithmetic.numbers.begin(), arithmetic.numbers.end(),
                             problem.numbers.begin(), problem.numbers.end());
}

}  // namespace

bool solves(const CountdownProblem& problem, std::string_view text) {
  const auto arithmetic = evaluate_arithmetic(text);
  return arithmetic && arithmetic->value == Rational{problem.target, 1} &&
         uses_all(problem, *arithmetic);
}

std::optional<std::string_view> last_answer(std::string_view completion) {
  constexpr std::string_view kOpen = "<answer>", kClose = "</answer>";
  const size_t end = completion.rfind(kClose);
  if (end == std::string_view::npos) return std::nullopt;
  const size_t begin = completion.substr(0, end).rfind(kOpen);
  if (begin == std::string_view::npos) return std::nullopt;
  return completion.substr(begin + kOpen.size(), end - begin - kOpen.size());
}

double countdown_reward(const CountdownProblem& problem, std::string_view completion) {
  const auto answer = last_answer(completion);
  return answer && solves(problem, *answer) ? 1 : 0;
}

std::string countdown_vote(const CountdownProblem& problem, std::string_view completion) {
  const auto answer = last_answer(completion);
  const auto arithmetic = answer ? evaluate_arithmetic(*answer) : std::nullopt;
  if (!arithmetic) return "";
  const Rational& v = arithmetic->value;
  std::string vote = std::to_string(v.numerator);
  if (v.denominator != 1) vote += "/" + std::to_string(v.denominator);
  return uses_all(problem, *arithmetic) ? vote : vote + " of other numbers";
}

double tinyzero_countdown_reward(const CountdownProblem& problem, std::string_view transcript) {
  for (const std::string_view speaker : {"Assistant:", "<|im_start|>assistant"}) {
    const size_t at = transcript.find(speaker);
    if (at == std::string_view::npos) continue;
    const std::string_view said = transcript.substr(at + speaker.size());
    const size_t line = said.rfind('\n');
    const auto answer = last_answer(line == std::string_view::npos ? said : said.substr(line + 1));
    if (!answer) return 0;
    return solves(problem, *answer) ? 1 : 0.1;
  }
  return 0;
}

}  // namespace r1
