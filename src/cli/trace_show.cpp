// A trace as a person reads it: what was asked, how the thought is built, and what was answered.
#include <algorithm>

#include "cli/markdown.h"
#include "cli/terminal.h"
#include "cli/trace.h"
#include "serve/dialects.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kRuler = 60;

std::string value(const Json& json) {
  return json.is_string() ? json.get<std::string>() : json.is_null() ? "-" : json.dump();
}

// The content of a line is what some file holds: nothing of it is sure to be there.
const Json& at(const Json& json, const char* name) {
  static const Json kNone;
  return json.is_object() && json.contains(name) ? json[name] : kNone;
}

std::string field(const Json& json, const char* name) { return value(at(json, name)); }

std::string text_of(const Json& json, const char* name) {
  const Json& found = at(json, name);
  return found.is_string() ? found.get<std::string>() : "";
}

std::string filtered(std::string_view text) {
  ControlFilter filter;
  const std::string shown = filter.feed(text);
  return shown + filter.finish();
}

std::string parameters(const Json& params) {
  std::string all;
  for (const auto& [name, v] : params.items()) {
    const bool nothing = v.is_null() || v == "" || v == -1 || (v.is_array() && v.empty());
    if (nothing || (name == "split_thought" && v == true)) continue;
    all += fmt::format("{}{} {}", all.empty() ? "" : ", ", name, value(v));
  }
  return all;
}

// Where in the thought what happens: b over c over a dot; * where the answer first stands.
std::string ruler(const ThoughtStructure& s, size_t bytes) {
  std::string line(kRuler, '.');
  const auto put = [&](size_t at, char c) { line[std::min(at * kRuler / bytes, kRuler - 1)] = c; };
  for (const auto& [behaviour, letter] :
       {std::pair("attempts", 'a'), std::pair("verification", 'c'), std::pair("backtracking", 'b')})
    for (const BehaviourMark& mark : s.marks)
      if (mark.behaviour == behaviour) put(mark.begin, letter);
  if (!s.said.empty()) put(s.said[0].begin, '*');
  return line;
}

std::string count(int64_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

// "3 checks, 1 backtrack, 6 equations tried; the answer 42 first at 43 %, said 5 times"
std::string in_words(const ThoughtStructure& s, size_t bytes) {
  std::string text = fmt::format("{}, {}, {}", count(s.counts.verification, "check"),
                                 count(s.counts.backtracking, "backtrack"),
                                 count(s.counts.attempts, "equation") + " tried");
  if (s.answer.empty()) return text;
  if (s.said.empty()) return text + fmt::format("; the answer {} stands nowhere in it", s.answer);
  return text + fmt::format("; the answer {} stands first at {} %, in all {}", s.answer,
                            s.said[0].begin * 100 / bytes, count(std::ssize(s.said), "time"));
}

// The thought with what it does set off, where the terminal has styles.
std::string marked(std::string_view thought, const ThoughtStructure& s, const Styles& style) {
  std::string text(style.dim);
  size_t at = 0;
  for (const BehaviourMark& mark : s.marks) {
    if (mark.begin < at) continue;  // of one place, the first behaviour
    text += filtered(thought.substr(at, mark.begin - at));
    text += fmt::format("{}{}{}{}{}", style.reset, style.bold,
                        filtered(thought.substr(mark.begin, mark.end - mark.begin)), style.reset,
                        style.dim);
    at = mark.end;
  }
  return text + filtered(thought.substr(at)) + std::string(style.reset);
}

struct Parts {
  std::string thought, answer, finish;
  std::vector<std::pair<std::string, std::string>> asked;  // role, text
};

Parts parts_of(const Json& c) {
  Parts parts{.thought = text_of(c, "thought"),
              .answer = text_of(c, "answer"),
              .finish = text_of(c, "finish"),
              .asked = {}};
  for (const Json& m : at(c, "messages"))
    parts.asked.emplace_back(field(m, "role"), field(m, "content"));
  if (parts.asked.empty()) parts.asked.emplace_back("prompt", field(c, "prompt"));
  return parts;
}

}  // namespace

std::string show_trace(const TraceLine& line) {
  const Json c = trace_whole(line);
  const Parts parts = parts_of(c);
  const ThoughtStructure s = structure_of(line);
  const Terminal to = terminal(1);
  const Styles style = styles(to);
  const Json &model = at(c, "model"), &engine = at(c, "engine"), &tokens = at(c, "tokens"),
             &seconds = at(c, "seconds");
  std::string text;
  const auto row = [&](std::string_view name, const std::string& what) {
    text += fmt::format("{}{:<11}{}{}\n", style.dim, name, style.reset, printable(what));
  };
  row("trace", fmt::format("{}, {}, key {}{}, {}", line.id, field(c, "time"), field(c, "key"),
                           text_of(c, "user").empty() ? "" : ", user " + text_of(c, "user"),
                           field(c, "path")));
  row("model", fmt::format("{}, sha256 {}", field(model, "name"), field(model, "sha256")));
  row("engine", parameters(engine));
  row("parameters", parameters(at(c, "params")));
  row("tokens", fmt::format("{} prompt, of which {} cached; {} generated, of which {} thought; {}",
                            field(tokens, "prompt"), field(tokens, "cached"),
                            field(tokens, "generated"), field(tokens, "thought"), parts.finish));
  row("seconds",
      fmt::format("first token {}, whole {}", field(seconds, "first"), field(seconds, "whole")));
  for (const auto& [role, said] : parts.asked)
    text += fmt::format("\n{}{}{}\n{}\n", style.bold, printable(role), style.reset, filtered(said));
  if (!parts.thought.empty()) {
    text += fmt::format("\n{}thought{}: {}, {}; {}\n{}\n\n{}\n", style.bold, style.reset,
                        count(s.characters, "character"), count(s.paragraphs, "paragraph"),
                        printable(in_words(s, parts.thought.size())),
                        ruler(s, parts.thought.size()), marked(parts.thought, s, style));
  }
  MarkdownRenderer markdown(to);
  const std::string answer = markdown.feed(parts.answer);
  text += fmt::format("\n{}answer{}\n{}{}\n", style.bold, style.reset, answer, markdown.finish());
  return text;
}

std::string trace_markdown(const TraceLine& line) {
  const Json c = trace_whole(line);
  const Parts parts = parts_of(c);
  const ThoughtStructure s = structure_of(line);
  std::string text = fmt::format("## Trace {}, {}, {}\n", line.id, field(c, "time"),
                                 field(at(c, "model"), "name"));
  for (const auto& [role, said] : parts.asked) text += fmt::format("\n**{}**\n\n{}\n", role, said);
  if (!parts.thought.empty())
    text += fmt::format(
        "\n<details><summary>Thought of {} tokens: {}</summary>\n\n{}\n\n</details>\n",
        field(at(c, "tokens"), "thought"), in_words(s, parts.thought.size()), parts.thought);
  return text + fmt::format("\n**assistant**\n\n{}\n\n*{}; finish {}; sha256 {}*\n\n", parts.answer,
                            parameters(at(c, "params")), parts.finish,
                            field(at(c, "model"), "sha256"));
}

}  // namespace r1
