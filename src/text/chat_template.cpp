#include "text/chat_template.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace r1 {

struct ChatTemplate::Impl {
  std::string source;
  jinja::Body body;
};

Result<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  try {
    ChatTemplate result;
    result.impl_ = std::make_shared<const Impl>(Impl{std::string(source), jinja::parse(source)});
    return result;
  } catch (const jinja::Failure& failure) {
    return Error{fmt::format("chat template: {}", failure.what())};
  }
}

Result<std::string> ChatTemplate::render(const nlohmann::ordered_json& variables,
                                         const TemplateLimits& limits) const {
  if (!variables.is_object()) return Error{"chat template: the variables must be a JSON object"};
  jinja::Interpreter interpreter(limits);
  try {
    return interpreter.render(impl_->body, variables);
  } catch (const jinja::Raised& raised) {
    return Error{raised.what()};
  } catch (const jinja::Failure& failure) {
    return Error{fmt::format("chat template: line {}: {}", interpreter.line(), failure.what())};
  }
}

const std::string& ChatTemplate::source() const { return impl_->source; }

}  // namespace r1
