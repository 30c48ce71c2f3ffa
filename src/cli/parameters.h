// The parameters of an answer in one table: it serves the flags of `r1 run`, the REPL's `/set
// parameter` and
// `/show parameters`, and saved conversations. Names are Ollama's where it has one.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "infer/engine.h"

namespace r1 {

struct ChatSettings {
  GenerateParams generate;
  std::optional<uint64_t> seed;  // none: a fresh one for every answer
};

struct Parameter {
  std::string_view name;   // "top_p"; the flag is --top-p
  std::string_view alias;  // another name people know it by, or ""
  std::string_view range;  // completes "must be ..."
  std::string_view help;
  bool repeats;  // may be given several times, each adding one
  bool (*set)(ChatSettings& settings, std::string_view value);  // false: not in the range
  nlohmann::ordered_json (*get)(const ChatSettings& settings);  // null: not set
};

std::span<const Parameter> parameters();
const Parameter* find_parameter(std::string_view name);  // by name or alias; '-' counts as '_'

// What the user chose, to be laid over any model's own defaults.
class ParameterValues {
 public:
  // `spelled`: how the error calls the parameter. The value is checked here, so that over() cannot
  // fail.
  Result<void> set(const Parameter& parameter, std::string_view value, std::string_view spelled);
  void reset(const Parameter& parameter);  // back to the model's default

  ChatSettings over(const GenerateParams& defaults) const;

  nlohmann::ordered_json to_json() const;  // {"temperature": 0.5, "stop": ["###"]}
  static Result<ParameterValues> from_json(const nlohmann::ordered_json& json);

 private:
  std::vector<std::pair<const Parameter*, std::string>> values_;
};

}  // namespace r1
