#include "text/pretokenizer.h"

#include "text/json_fields.h"
#include "text/normalizer.h"

namespace r1 {

const char* const kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

using Behavior = PreTokenizer::Behavior;

constexpr int kMaxDepth = 8;  // sequences in sequences

Result<Behavior> behavior_of(const nlohmann::json& json) {
  R1_TRY(const std::string name, json_text(json, "behavior"));
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  return error(
      "pre_tokenizer: behavior \"{}\" is not supported (Removed, Isolated, MergedWithPrevious, "
      "MergedWithNext, Contiguous are)",
      name);
}

// Appends the parts of one piece. `parts` alternates gaps and matches as they come.
class Cutter {
 public:
  Cutter(std::string_view piece, Behavior behavior, std::vector<std::string_view>& out)
      : piece_(piece), behavior_(behavior), out_(out) {}

  void part(size_t begin, size_t end, bool match) {
    if (begin == end) return;
    const bool after_match = any_ && last_match_;
    const bool after_gap = any_ && !last_match_;
    const bool join = (behavior_ == Behavior::kMergedWithPrevious && match && after_gap) ||
                      (behavior_ == Behavior::kMergedWithNext && !match && after_match) ||
                      (behavior_ == Behavior::kContiguous && any_ && match == last_match_);
    const std::string_view text = piece_.substr(begin, end - begin);
    if (join) {
      out_.back() = std::string_view(out_.back().data(), out_.back().size() + text.size());
    } else if (!(behavior_ == Behavior::kRemoved && match)) {
      out_.push_back(text);
    }
    any_ = true;
    last_match_ = match;
  }

 private:
  std::string_view piece_;
  Behavior behavior_;
  std::vector<std::string_view>& out_;
  bool any_ = false, last_match_ = false;
};

void split(Pieces& pieces, const PreTokenizer::Split& step) {
  Pattern::Matcher matcher(step.pattern);
  std::vector<std::string_view> out;
  out.reserve(pieces.views.size());
  for (const std::string_view piece : pieces.views) {
    Cutter cutter(piece, step.behavior, out);
    size_t at = 0;
    while (at < piece.size()) {
      const auto match = matcher.find(piece, at);
      if (!match) break;
      cutter.part(at, match->begin, step.invert);
      cutter.part(match->begin, match->end, !step.invert);
      at = match->end;
    }
    cutter.part(at, piece.size(), step.invert);
  }
  pieces.views = std::move(out);
}

void prefix_space(Pieces& pieces) {
  for (std::string_view& piece : pieces.views) {
    if (piece.substr(0, 1) != " ") piece = pieces.owned.emplace_back(" " + std::string(piece));
  }
}

void metaspace(Pieces& pieces, const PreTokenizer::Metaspace& step) {
  using Prepend = PreTokenizer::Metaspace::Prepend;
  bool first = pieces.at_start;
  for (std::string_view& piece : pieces.views) {
    std::string text;
    for (const char c : piece) {
      if (c == ' ') {
        text += step.replacement;
      } else {
        text += c;
      }
    }
    const bool wanted =
        step.prepend == Prepend::kAlways || (step.prepend == Prepend::kFirst && first);
    if (wanted && text.substr(0, step.replacement.size()) != step.replacement) {
      text.insert(0, step.replacement);
    }
    piece = pieces.owned.emplace_back(std::move(text));
    first = false;
  }
}

}  // namespace

void PreTokenizer::apply(Pieces& pieces) const {
  for (const Step& step : steps_) {
    if (const auto* s = std::get_if<Split>(&step)) {
      split(pieces, *s);
    } else if (const auto* m = std::get_if<Metaspace>(&step)) {
      metaspace(pieces, *m);
    } else {
      prefix_space(pieces);
    }
  }
}

Result<void> PreTokenizer::add_split(std::string_view regex) {
  R1_TRY(Pattern pattern, Pattern::compile(regex));
  add(Split{std::move(pattern)});
  return {};
}

Result<PreTokenizer> PreTokenizer::parse(const nlohmann::json& json) {
  PreTokenizer result;
  R1_DO(result.add_parsed(json, 0));
  return result;
}

Result<void> PreTokenizer::add_parsed(const nlohmann::json& json, int depth) {
  if (json.is_null()) return {};
  if (depth > kMaxDepth) return error("pre_tokenizer: sequences nested deeper than {}", kMaxDepth);
  R1_TRY(const std::string type, json_text(json, "type"));
  if (type == "Sequence") {
    const nlohmann::json* steps = json_field(json, "pretokenizers");
    if (steps == nullptr || !steps->is_array())
      return error("pre_tokenizer: Sequence without its list");
    for (const auto& step : *steps) R1_DO(add_parsed(step, depth + 1));
    return {};
  }
  if (type == "Split") {
    R1_TRY(Pattern pattern, parse_pattern(json));
    R1_TRY(const Behavior behavior, behavior_of(json));
    R1_TRY(const bool invert, json_bool(json, "invert", false));
    add(Split{std::move(pattern), behavior, invert});
    return {};
  }
  if (type == "ByteLevel") {
    R1_TRY(const bool prefix, json_bool(json, "add_prefix_space", true));
    R1_TRY(const bool regex, json_bool(json, "use_regex", true));
    if (prefix) add(PrefixSpace{});
    set_byte_level();
    return regex ? add_split(kGpt2Pattern) : Result<void>();
  }
  if (type == "Digits") {
    R1_TRY(const bool individual, json_bool(json, "individual_digits", false));
    return add_split(individual ? R"(\p{N})" : R"(\p{N}+)");
  }
  if (type == "Metaspace") return add_metaspace(json);
  return error(
      "pre_tokenizer: type \"{}\" is not supported (Sequence, Split, ByteLevel, Digits, Metaspace "
      "are)",
      type);
}

Result<void> PreTokenizer::add_metaspace(const nlohmann::json& json) {
  using Prepend = Metaspace::Prepend;
  R1_TRY(std::string replacement, json_text(json, "replacement", "\u2581"));
  if (replacement.empty()) return error("pre_tokenizer: Metaspace with an empty replacement");
  // Files from before prepend_scheme say add_prefix_space.
  R1_TRY(const bool prefix, json_bool(json, "add_prefix_space", true));
  R1_TRY(const std::string scheme, json_text(json, "prepend_scheme", prefix ? "always" : "never"));
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    return error("pre_tokenizer: prepend_scheme \"{}\" is not always, first or never", scheme);
  }
  R1_TRY(const bool cut, json_bool(json, "split", true));
  R1_TRY(Pattern mark, Pattern::literal(replacement));
  add(Metaspace{std::move(replacement), scheme == "always"  ? Prepend::kAlways
                                        : scheme == "first" ? Prepend::kFirst
                                                            : Prepend::kNever});
  if (cut) add(Split{std::move(mark), Behavior::kMergedWithNext, false});
  return {};
}

}  // namespace r1
