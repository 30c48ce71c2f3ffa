#include "grade/reward.h"

#include <fmt/ranges.h>

#include <charconv>

#include "text/unicode.h"

namespace r1 {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

double accuracy(const Answered& a) { return a.task.reward(a.problem, a.completion); }
double format(const Answered& a) { return well_formed(a.completion, a.thought_opened); }
double language(const Answered& a) { return language_share(a.completion, a.language); }

constexpr Reward kRewards[] = {
    {"accuracy", "the answer is right", accuracy},
    {"format", "one <think>...</think>, then one <answer>...</answer>, and nothing else", format},
    {"language", "share of words in the wanted language", language},
};

enum class Script : uint8_t {
  kNone,
  kLatin,
  kGreek,
  kCyrillic,
  kHebrew,
  kArabic,
  kDevanagari,
  kThai,
  kKana,
  kHangul,
  kHan,
  kOther
};

// Letters of Unicode's blocks, ascending; what is a word character and in none is kOther.
struct Block {
  uint32_t first, last;
  Script script;
};
constexpr Block kBlocks[] = {
    {'A', 'Z', Script::kLatin},        {'a', 'z', Script::kLatin},
    {0xAA, 0xAA, Script::kLatin},      {0xBA, 0xBA, Script::kLatin},
    {0xC0, 0x24F, Script::kLatin},     {0x370, 0x3FF, Script::kGreek},
    {0x400, 0x52F, Script::kCyrillic}, {0x590, 0x5FF, Script::kHebrew},
    {0x600, 0x6FF, Script::kArabic},   {0x900, 0x97F, Script::kDevanagari},
    {0xE00, 0xE7F, Script::kThai},     {0x1100, 0x11FF, Script::kHangul},
    {0x1E00, 0x1EFF, Script::kLatin},  {0x3040, 0x30FF, Script::kKana},
    {0x3400, 0x4DBF, Script::kHan},    {0x4E00, 0x9FFF, Script::kHan},
    {0xAC00, 0xD7AF, Script::kHangul}, {0xF900, 0xFAFF, Script::kHan},
    {0x20000, 0x323AF, Script::kHan},
};

Script script_of(uint32_t code) {
  if (!is_word(code) || code == '_' || (code >= '0' && code <= '9')) return Script::kNone;
  for (const Block& block : kBlocks) {
    if (code >= block.first && code <= block.last) return block.script;
  }
  return Script::kOther;
}

struct Language {
  std::string_view name;
  Script script, other = Script::kNone;
};
constexpr Language kLanguages[] = {
    {"en", Script::kLatin},
    {"de", Script::kLatin},
    {"es", Script::kLatin},
    {"fr", Script::kLatin},
    {"it", Script::kLatin},
    {"pt", Script::kLatin},
    {"vi", Script::kLatin},
    {"el", Script::kGreek},
    {"ru", Script::kCyrillic},
    {"uk", Script::kCyrillic},
    {"he", Script::kHebrew},
    {"ar", Script::kArabic},
    {"hi", Script::kDevanagari},
    {"th", Script::kThai},
    {"ko", Script::kHangul},
    {"zh", Script::kHan},
    {"ja", Script::kHan, Script::kKana},
};

const Language* find_language(std::string_view name) {
  for (const Language& language : kLanguages) {
    if (language.name == name) return &language;
  }
  return nullptr;
}

// Takes `tag` off the front of text.
bool take(std::string_view& text, std::string_view tag) {
  if (!text.starts_with(tag)) return false;
  text.remove_prefix(tag.size());
  return true;
}

// Takes all up to and with `tag`, in which no tag of ours stands.
bool take_through(std::string_view& text, std::string_view tag) {
  const size_t at = text.find(tag);
  if (at == text.npos) return false;
  const std::string_view inside = text.substr(0, at);
  for (const std::string_view other : {"<think>", "</think>", "<answer>", "</answer>"}) {
    if (inside.find(other) != inside.npos) return false;
  }
  text.remove_prefix(at + tag.size());
  return true;
}

void skip_space(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
}

}  // namespace

std::span<const Reward> rewards() { return kRewards; }

Result<WeightedReward> parse_reward(std::string_view text) {
  double weight = 1;
  std::string_view name = text;
  if (const size_t space = text.find(' '); space != text.npos) {
    name = text.substr(space + 1);
    const char* end = text.data() + space;
    const auto [at, failed] = std::from_chars(text.data(), end, weight);
    if (failed != std::errc() || at != end)
      return error("reward \"{}\": a name, or a weight and a name (\"0.1 format\")", text);
  }
  std::vector<std::string_view> names;
  for (const Reward& reward : kRewards) {
    if (reward.name == name) return WeightedReward{&reward, weight};
    names.push_back(reward.name);
  }
  return error("no reward {}: there are {}", name, fmt::join(names, ", "));
}

bool well_formed(std::string_view text, bool thought_opened) {
  if (!thought_opened) {
    skip_space(text);
    if (!take(text, "<think>")) return false;
  }
  if (!take_through(text, "</think>")) return false;
  skip_space(text);
  if (!take(text, "<answer>") || !take_through(text, "</answer>")) return false;
  skip_space(text);
  return text.empty();
}

double language_share(std::string_view text, std::string_view name) {
  const Language* language = find_language(name);
  R1_CHECK(language != nullptr);
  int64_t words = 0, wanted = 0;
  Script before = Script::kNone;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '<') {  // our tags are no words
      std::string_view rest = text.substr(at);
      if (take(rest, "<think>") || take(rest, "</think>") || take(rest, "<answer>") ||
          take(rest, "</answer>")) {
        at = text.size() - rest.size();
        before = Script::kNone;
        continue;
      }
    }
    const Utf8Char c = decode_char(text, at);
    at += c.length;
    const Script script = script_of(c.code);
    const bool alone = script == Script::kHan || script == Script::kKana;
    if (script != Script::kNone && (alone || script != before)) {
      ++words;
      wanted += script == language->script || script == language->other;
    }
    before = script;
  }
  return words == 0 ? 1 : static_cast<double>(wanted) / static_cast<double>(words);
}

Result<void> check_language(std::string_view name) {
  if (find_language(name)) return {};
  std::vector<std::string_view> names;
  for (const Language& language : kLanguages) names.push_back(language.name);
  return error("no language {}: there are {}", name, fmt::join(names, ", "));
}

}  // namespace r1
