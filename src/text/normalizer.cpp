#include "text/normalizer.h"

#include "text/json_fields.h"

namespace r1 {
namespace {

constexpr int kMaxDepth = 8;  // sequences in sequences

std::string replace(std::string_view text, const Normalizer::Replace& step) {
  Pattern::Matcher matcher(step.pattern);
  std::string out;
  size_t at = 0;
  while (const auto match = matcher.find(text, at)) {
    out += text.substr(at, match->begin - at);
    out += step.content;
    at = match->end;
  }
  out += text.substr(at);
  return out;
}

}  // namespace

Result<Pattern> parse_pattern(const nlohmann::json& owner) {
  const nlohmann::json* pattern = json_field(owner, "pattern");
  if (pattern == nullptr) return error("pattern: missing");
  if (json_field(*pattern, "String") != nullptr) {
    R1_TRY(const std::string text, json_text(*pattern, "String"));
    if (text.empty()) return error("pattern: an empty string matches nothing");
    return Pattern::literal(text);
  }
  R1_TRY(const std::string regex, json_text(*pattern, "Regex"));
  if (regex.empty()) return error("pattern: neither \"String\" nor \"Regex\"");
  return Pattern::compile(regex);
}

Result<Normalizer> Normalizer::parse(const nlohmann::json& json) {
  Normalizer normalizer;
  R1_DO(normalizer.add_parsed(json, 0));
  return normalizer;
}

Result<void> Normalizer::add_parsed(const nlohmann::json& json, int depth) {
  if (json.is_null()) return {};
  if (depth > kMaxDepth) return error("normalizer: sequences nested deeper than {}", kMaxDepth);
  R1_TRY(const std::string type, json_text(json, "type"));
  if (type == "Sequence") {
    const nlohmann::json* steps = json_field(json, "normalizers");
    if (steps == nullptr || !steps->is_array())
      return error("normalizer: Sequence without its list");
    for (const auto& step : *steps) R1_DO(add_parsed(step, depth + 1));
  } else if (type == "NFC") {
    add(NormalForm::kNfc);
  } else if (type == "NFD") {
    add(NormalForm::kNfd);
  } else if (type == "NFKC") {
    add(NormalForm::kNfkc);
  } else if (type == "NFKD") {
    add(NormalForm::kNfkd);
  } else if (type == "Lowercase") {
    add(Lowercase{});
  } else if (type == "Prepend") {
    R1_TRY(std::string text, json_text(json, "prepend"));
    add(Prepend{std::move(text)});
  } else if (type == "Replace") {
    R1_TRY(Pattern pattern, parse_pattern(json));
    R1_TRY(std::string content, json_text(json, "content"));
    add(Replace{std::move(pattern), std::move(content)});
  } else {
    return error(
        "normalizer: type \"{}\" is not supported (Sequence, NFC, NFD, NFKC, NFKD, Lowercase, "
        "Prepend, "
        "Replace are)",
        type);
  }
  return {};
}

std::string Normalizer::apply(std::string_view text) const {
  std::string out(text);
  for (const Step& step : steps_) {
    if (const auto* form = std::get_if<NormalForm>(&step)) {
      out = normalize(out, *form);
    } else if (std::holds_alternative<Lowercase>(step)) {
      out = lowercase(out);
    } else if (const auto* prepend = std::get_if<Prepend>(&step)) {
      if (!out.empty()) out.insert(0, prepend->text);
    } else {
      out = replace(out, std::get<Replace>(step));
    }
  }
  return out;
}

}  // namespace r1
