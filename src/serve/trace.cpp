#include "serve/trace.h"

#include <cmath>

#include "base/rng.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

// The number that a person would write; static_cast<float> of it is `x`.
double plain(float x) { return std::stod(fmt::format("{}", x)); }

double milliseconds(double seconds) { return std::round(seconds * 1e6) / 1e6; }

}  // namespace

Json to_json(const GenerateParams& p) {
  const SamplingParams& s = p.sampling;
  Json bias = Json::array();
  for (const auto& [id, value] : s.logit_bias) bias.push_back({id, plain(value)});
  return {{"temperature", plain(s.temperature)},
          {"top_k", s.top_k},
          {"top_p", plain(s.top_p)},
          {"min_p", plain(s.min_p)},
          {"repetition_penalty", plain(s.repetition_penalty)},
          {"presence_penalty", plain(s.presence_penalty)},
          {"frequency_penalty", plain(s.frequency_penalty)},
          {"penalty_last_n", s.penalty_last_n},
          {"logit_bias", std::move(bias)},
          {"seed", s.seed},
          {"max_tokens", p.max_tokens},
          {"stop", p.stop},
          {"think_budget", p.think_budget},
          {"think_minimum", p.think_minimum},
          {"top_logprobs", p.top_logprobs},
          {"split_thought", p.split_thought},
          {"grammar", p.grammar ? Json::parse(p.grammar->spec, nullptr, false) : Json()}};
}

Result<GenerateParams> params_from_json(const Json& json) {
  GenerateParams p;
  SamplingParams& s = p.sampling;
  try {
    s.temperature = json.at("temperature").get<float>();
    s.top_k = json.at("top_k");
    s.top_p = json.at("top_p").get<float>();
    s.min_p = json.at("min_p").get<float>();
    s.repetition_penalty = json.at("repetition_penalty").get<float>();
    s.presence_penalty = json.at("presence_penalty").get<float>();
    s.frequency_penalty = json.at("frequency_penalty").get<float>();
    s.penalty_last_n = json.at("penalty_last_n");
    for (const Json& pair : json.at("logit_bias"))
      s.logit_bias.emplace_back(pair.at(0).get<int32_t>(), pair.at(1).get<float>());
    s.seed = json.at("seed");
    p.max_tokens = json.at("max_tokens");
    p.stop = json.at("stop").get<std::vector<std::string>>();
    p.think_budget = json.at("think_budget");
    p.think_minimum = json.at("think_minimum");
    p.top_logprobs = json.at("top_logprobs");
    p.split_thought = json.at("split_thought");
    if (const Json& grammar = json.at("grammar"); !grammar.is_null()) {
      R1_TRY(p.grammar, make_grammar(grammar));
    }
  } catch (const Json::exception& e) {
    return error("the parameters of the trace: {}", e.what());
  }
  return p;
}

std::string trace_content(const AnswerTrace& t) {
  const Completion& c = t.completion;
  Json json = *t.asked;
  json["choice"] = t.choice;
  json["params"] = to_json(t.params);
  json["thought"] = c.thought;
  json["answer"] = c.answer;
  json["finish"] = t.failed ? "error" : name(c.reason);
  json["stopped_by"] = c.stopped_by;
  json["tokens"] = {{"prompt", c.prompt_tokens},
                    {"cached", c.cached_tokens},
                    {"thought", c.thought_tokens},
                    {"generated", c.generated_tokens}};
  json["seconds"] = {{"first", milliseconds(t.first_seconds)},
                     {"whole", milliseconds(t.seconds)},
                     {"prefill", milliseconds(c.prefill_seconds)},
                     {"decode", milliseconds(c.decode_seconds)}};
  json["thinking"] = t.prompt->thinking;
  json["may_think"] = t.prompt->may_think;
  json["prompt_ids"] = t.prompt->ids;
  json["ids"] = c.ids;
  json["nonce"] = fmt::format("{:016x}{:016x}", fresh_number(), fresh_number());
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string asked_words(const Json& content) {
  const auto text = [](const Json& object, const char* field) -> std::string {
    const auto found = object.find(field);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
  };
  const auto messages = content.find("messages");
  if (messages == content.end() || !messages->is_array()) return text(content, "prompt");
  for (auto m = messages->rbegin(); m != messages->rend(); ++m)
    if (m->is_object() && text(*m, "role") == "user") return text(*m, "content");
  return "";
}

}  // namespace r1
