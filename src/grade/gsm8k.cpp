#include "grade/gsm8k.h"

#include <algorithm>
#include <optional>

#include "grade/countdown.h"
#include "text/jsonl.h"

namespace r1 {
namespace {

constexpr std::string_view kMark = "####", kBoxed = "\\boxed{";
constexpr size_t kMostDigits = 15;  // of a number, before its point

bool digit(char c) { return c >= '0' && c <= '9'; }

// A number as text.
struct Spelled {
  bool negative = false;
  std::string whole, fraction;  // digits

  std::string text() const {
    std::string w = whole.substr(std::min(whole.find_first_not_of('0'), whole.size() - 1));
    const std::string f = fraction.substr(0, fraction.find_last_not_of('0') + 1);
    if (!f.empty()) w += '.' + f;
    return negative && w != "0" ? '-' + w : w;
  }
};

// The numbers of a text: digits, with commas before groups of three, perhaps a point and digits. A
// minus counts where nothing that it could be taken from stands before it.
std::vector<Spelled> numbers_of(std::string_view text) {
  std::vector<Spelled> all;
  for (size_t i = 0; i < text.size();) {
    if (!digit(text[i])) {
      ++i;
      continue;
    }
    Spelled n;
    const size_t before = i >= 1 && text[i - 1] == '$' ? i - 1 : i;
    n.negative = before >= 1 && text[before - 1] == '-' &&
                 (before == 1 || text[before - 2] == ' ' || text[before - 2] == '\n');
    const auto at = [&](size_t j) { return j < text.size() && digit(text[j]); };
    while (at(i) || (i < text.size() && text[i] == ',' && at(i + 1) && at(i + 2) && at(i + 3) &&
                     !at(i + 4))) {
      if (text[i] != ',') n.whole += text[i];
      ++i;
    }
    if (i < text.size() && text[i] == '.' && at(i + 1)) {
      for (++i; at(i); ++i) n.fraction += text[i];
    }
    if (n.whole.size() <= kMostDigits) all.push_back(std::move(n));
  }
  return all;
}

// What the last `open` of a text has behind it, up to `close`.
std::optional<std::string_view> behind_last(std::string_view text, std::string_view open,
                                            std::string_view close) {
  const size_t at = text.rfind(open);
  if (at == text.npos) return {};
  text.remove_prefix(at + open.size());
  return text.substr(0, text.find(close));
}

Result<Problem> read_line(std::string_view line) {
  R1_TRY(const auto json, parse_jsonl_line(line));
  const auto text = [&](const char* name) -> const std::string* {
    const auto found = json.find(name);
    return found == json.end() ? nullptr : found->get_ptr<const std::string*>();
  };
  const std::string* question = text("question") ? text("question") : text("problem");
  const std::string* answer = text("answer");
  if (!question || !answer) return error("\"question\" or \"problem\" and \"answer\" expected");
  const auto marked = behind_last(*answer, kMark, "\n");
  const auto found = numbers_of(marked.value_or(*answer));
  if (found.size() != 1 || found[0].text().find('.') != std::string::npos)
    return error("answer: {} is no whole number", marked.value_or(*answer));
  Problem problem{.prompt = *question, .numbers = {}, .target = std::stoll(found[0].text())};
  for (const Spelled& n : numbers_of(*question)) problem.numbers.push_back(std::stoll(n.whole));
  return problem;
}

}  // namespace

Result<std::vector<Problem>> read_gsm8k(std::string_view jsonl) {
  std::vector<Problem> problems;
  R1_DO(for_each_jsonl_line(jsonl, [&](std::string_view line, int64_t number) -> Result<void> {
    auto problem = read_line(line);
    if (!problem) return std::move(problem).error().in(fmt::format("line {}", number));
    problems.push_back(*std::move(problem));
    return {};
  }));
  if (problems.empty()) return error("no problem in it");
  return problems;
}

std::string gsm8k_answer(std::string_view completion) {
  auto said = last_answer(completion);
  if (!said) said = behind_last(completion, kBoxed, "}");
  if (!said) said = behind_last(completion, kMark, "\n");
  if (!said) return "";
  const auto found = numbers_of(*said);
  return found.empty() ? "" : found.back().text();
}

}  // namespace r1
