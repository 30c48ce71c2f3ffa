// Tools: what a request offers, and the calls in what a model says. Each kind of model has its own
// way of calling, one line of a table in tools.cpp.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/fields.h"

namespace r1 {

struct ToolCall {
  std::string id, name;
  nlohmann::ordered_json arguments;  // an object
};

// What a request says of tools, in OpenAI's words.
struct Tools {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();  // {"type", "function"}...
  enum class Wish { kFree, kMust, kNone } wish = Wish::kFree;
  std::string named = {};  // the one that must be called; "": any

  bool offered() const { return !list.empty() && wish != Wish::kNone; }
  bool has(std::string_view name) const;
};

// OpenAI's list of tools, and Ollama's; Anthropic's is brought into this form.
void read_tools(Fields& fields, Tools& tools);
// OpenAI's tool_choice: "auto", "none", "required", {"type": "function", "function": {"name"}}.
void read_tool_choice(Fields& fields, Tools& tools);
// tool_calls of an assistant's message: arguments may be an object, or its text; they become an
// object.
std::optional<nlohmann::ordered_json> read_tool_calls(Fields& message);

class ToolFormat {
 public:
  // The way of a model with this chat template; null: none that we know.
  static const ToolFormat* of(std::string_view chat_template);

  std::string_view in_template;  // what tells it
  std::string_view begin, end;   // around a call or all of them; "" begin: the whole answer
  std::string_view before, between, after;  // a call, around its name and its arguments
  std::vector<ToolCall> (*parse)(std::string_view body);  // none: it is no call
};

// A JSON grammar's "any_of" (infer/grammar/grammar.h) of calls to the tools that the wish allows.
nlohmann::ordered_json call_frames(const ToolFormat& format, const Tools& tools);

// Takes the calls out of an answer while it comes.
class CallReader {
 public:
  // Both must outlive this.
  CallReader(const ToolFormat& format, const Tools& tools) : format_(&format), tools_(&tools) {}

  struct Said {
    std::string text;
    std::vector<ToolCall> calls;
  };
  Said feed(std::string_view text);
  Said finish();

 private:
  void close(std::string_view body, std::string_view raw, Said& said);

  const ToolFormat* format_;
  const Tools* tools_;
  std::string held_;     // what may be the beginning of a call, or is one
  bool within_ = false;  // held_ begins with format_.begin
  bool begun_ = false;   // some text was said
  bool called_ = false;
};

}  // namespace r1
