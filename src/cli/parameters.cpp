#include "cli/parameters.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr float kAboveZero = std::numeric_limits<float>::min();
constexpr int64_t kMostTokens = int64_t{1} << 40;

// target = text, if text is wholly a number in [low, high].
template <class T>
bool assign(T& target, std::string_view text, T low, T high) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc{} || stop != end) return false;
  if (!(value >= low && value <= high)) return false;  // false for NaN too
  target = value;
  return true;
}

// The shortest decimal that reads back as the same float: 0.6, not 0.6000000238418579.
Json shown(float value) { return Json::parse(fmt::format("{}", value)); }

bool set_logit_bias(ChatSettings& s, std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == text.npos) return false;
  std::pair<int32_t, float> bias;
  if (!assign(bias.first, text.substr(0, equals), 0, std::numeric_limits<int32_t>::max()))
    return false;
  if (!assign(bias.second, text.substr(equals + 1), -1000.0f, 1000.0f)) return false;
  s.generate.sampling.logit_bias.push_back(bias);
  return true;
}

Json get_logit_bias(const ChatSettings& s) {
  Json list = Json::array();
  for (const auto& [id, value] : s.generate.sampling.logit_bias)
    list.push_back(fmt::format("{}={}", id, value));
  return list.empty() ? Json() : list;
}

bool set_seed(ChatSettings& s, std::string_view text) {
  uint64_t seed = 0;
  if (!assign(seed, text, uint64_t{0}, std::numeric_limits<uint64_t>::max())) return false;
  s.seed = seed;
  return true;
}

bool set_stop(ChatSettings& s, std::string_view text) {
  if (text.empty()) return false;
  s.generate.stop.emplace_back(text);
  return true;
}

// A number of tokens, or -1 for no limit.
bool set_tokens(int64_t& target, std::string_view text, int64_t least) {
  return text == "-1" ? (target = -1, true) : assign(target, text, least, kMostTokens);
}

constexpr Parameter kParameters[] = {
    {"temperature", "", "0, or a number from 0.0001 to 100",
     "0: always the likeliest token; higher: more varied", false,
     [](ChatSettings& s, std::string_view v) {
       return assign(s.generate.sampling.temperature, v, 0.0f, 100.0f) &&
              (s.generate.sampling.temperature == 0 || s.generate.sampling.temperature >= 1e-4f);
     },
     [](const ChatSettings& s) { return shown(s.generate.sampling.temperature); }},
    {"top_k", "", "a whole number, 0 (off) or more", "draw from the K likeliest tokens", false,
     [](ChatSettings& s, std::string_view v) {
       return assign(s.generate.sampling.top_k, v, 0, std::numeric_limits<int32_t>::max());
     },
     [](const ChatSettings& s) { return Json(s.generate.sampling.top_k); }},
    {"top_p", "", "a number above 0, at most 1 (off)",
     "draw from the likeliest tokens that make up P", false,
     [](ChatSettings& s, std::string_view v) {
       return assign(s.generate.sampling.top_p, v, kAboveZero, 1.0f);
     },
     [](const ChatSettings& s) { return shown(s.generate.sampling.top_p); }},
    {"min_p", "", "a number from 0 (off) to 1", "leave out tokens below P times the likeliest",
     false,
     [](ChatSettings& s, std::string_view v) {
       return assign(s.generate.sampling.min_p, v, 0.0f, 1.0f);
     },
     [](const ChatSettings& s) { return shown(s.generate.sampling.min_p); }},
    {"repeat_penalty", "repetition_penalty", "a number from 0.01 to 100; 1: off",
     "make recent tokens less likely", false,
     [](ChatSettings& s, std::string_view v) {
       return assign(s.generate.sampling.repetition_penalty, v, 0.01f, 100.0f);
     },
     [](const ChatSettings& s) { return shown(s.generate.sampling.repetition_penalty); }},
    {"penalty_last_n", "repeat_last_n", "a whole number, 0 or more, or -1 (all)",
     "how far the repeat penalty looks back", false,
     [](ChatSettings& s, std::string_view v) {
       return assign(s.generate.sampling.penalty_last_n, v, -1,
                     std::numeric_limits<int32_t>::max());
     },
     [](const ChatSettings& s) { return Json(s.generate.sampling.penalty_last_n); }},
    {"presence_penalty", "", "a number from -100 to 100; 0: off",
     "subtracted from tokens that occurred", false,
     [](ChatSettings& s, std::string_view v) {
       return assign(s.generate.sampling.presence_penalty, v, -100.0f, 100.0f);
     },
     [](const ChatSettings& s) { return shown(s.generate.sampling.presence_penalty); }},
    {"frequency_penalty", "", "a number from -100 to 100; 0: off",
     "subtracted for each time a token occurred", false,
     [](ChatSettings& s, std::string_view v) {
       return assign(s.generate.sampling.frequency_penalty, v, -100.0f, 100.0f);
     },
     [](const ChatSettings& s) { return shown(s.generate.sampling.frequency_penalty); }},
    {"logit_bias", "", "ID=VALUE, VALUE from -1000 to 1000",
     "added to one token's logit; repeatable", true, set_logit_bias, get_logit_bias},
    {"seed", "", "a whole number from 0 to 18446744073709551615",
     "the same seed gives the same text; random where not given", false, set_seed,
     [](const ChatSettings& s) { return s.seed ? Json(*s.seed) : Json(); }},
    {"max_tokens", "num_predict", "a whole number, 1 or more, or -1 (what the context holds)",
     "tokens of thought and answer", false,
     [](ChatSettings& s, std::string_view v) { return set_tokens(s.generate.max_tokens, v, 1); },
     [](const ChatSettings& s) { return Json(s.generate.max_tokens); }},
    {"stop", "", "a text that is not empty", "end the answer before this text; repeatable", true,
     set_stop,
     [](const ChatSettings& s) {
       return s.generate.stop.empty() ? Json() : Json(s.generate.stop);
     }},
    {"think_budget", "", "a whole number, 0 or more, or -1 (none)",
     "close the thought after this many tokens", false,
     [](ChatSettings& s, std::string_view v) { return set_tokens(s.generate.think_budget, v, 0); },
     [](const ChatSettings& s) { return Json(s.generate.think_budget); }},
    {"think_minimum", "", "a whole number, 0 or more", "keep the thought open for this many tokens",
     false,
     [](ChatSettings& s, std::string_view v) {
       return assign(s.generate.think_minimum, v, int64_t{0}, kMostTokens);
     },
     [](const ChatSettings& s) { return Json(s.generate.think_minimum); }},
};

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

std::span<const Parameter> parameters() { return kParameters; }

const Parameter* find_parameter(std::string_view name) {
  std::string key(name);
  std::replace(key.begin(), key.end(), '-', '_');
  for (const Parameter& p : kParameters)
    if (key == p.name || (!p.alias.empty() && key == p.alias)) return &p;
  return nullptr;
}

Result<void> ParameterValues::set(const Parameter& parameter, std::string_view value,
                                  std::string_view spelled) {
  ChatSettings scratch;
  if (!parameter.set(scratch, value))
    return error("{} {}: must be {}", spelled, value.empty() ? "\"\"" : value, parameter.range);
  if (!parameter.repeats) reset(parameter);
  values_.emplace_back(&parameter, value);
  return {};
}

void ParameterValues::reset(const Parameter& parameter) {
  std::erase_if(values_, [&](const auto& entry) { return entry.first == &parameter; });
}

ChatSettings ParameterValues::over(const GenerateParams& defaults) const {
  ChatSettings settings;
  settings.generate = defaults;
  for (const auto& [parameter, value] : values_) R1_CHECK(parameter->set(settings, value));
  return settings;
}

nlohmann::ordered_json ParameterValues::to_json() const {
  const ChatSettings settings = over({});
  Json json = Json::object();
  for (const auto& [parameter, value] : values_)
    json[std::string(parameter->name)] = parameter->get(settings);
  return json;
}

Result<ParameterValues> ParameterValues::from_json(const nlohmann::ordered_json& json) {
  if (!json.is_object()) return error("parameters: must be an object, found {}", json.type_name());
  ParameterValues values;
  for (const auto& [name, value] : json.items()) {
    const Parameter* parameter = find_parameter(name);
    if (!parameter) return error("parameters: no parameter is named {:?}", name);
    if (!value.is_array()) {
      R1_DO(values.set(*parameter, text_of(value), name));
      continue;
    }
    if (!parameter->repeats) return error("parameters: {} takes one value, found a list", name);
    for (const Json& one : value) R1_DO(values.set(*parameter, text_of(one), name));
  }
  return values;
}

}  // namespace r1
