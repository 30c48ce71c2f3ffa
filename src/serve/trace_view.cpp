#include "serve/trace_view.h"

#include <filesystem>

#include "serve/dialects.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kPromptCharacters = 200;

// The field at the end of a path of names, or null.
template <class... Names>
Json field(const Json& json, Names... names) {
  const Json* at = &json;
  for (const char* name : {names...}) {
    if (!at->is_object() || !at->contains(name)) return nullptr;
    at = &(*at)[name];
  }
  return *at;
}

std::string text(const Json& json, const char* name) {
  const Json value = field(json, name);
  return value.is_string() ? value.get<std::string>() : "";
}

std::string beginning(const std::string& words) {
  size_t characters = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    if ((words[i] & 0xC0) != 0x80 && characters++ == kPromptCharacters)
      return words.substr(0, i) + "…";
  }
  return words;
}

std::string as_html(const std::string& snippet) {
  std::string html;
  for (const char c : snippet) {
    if (c == '\x01') {
      html += "<b>";
    } else if (c == '\x02') {
      html += "</b>";
    } else if (c == '&') {
      html += "&amp;";
    } else if (c == '<') {
      html += "&lt;";
    } else if (c == '>') {
      html += "&gt;";
    } else {
      html += c;
    }
  }
  return html;
}

// From bytes of UTF-8 to units of UTF-16, for places in ascending order of asking.
class Units {
 public:
  explicit Units(std::string_view utf8) : text_(utf8) {}
  size_t at(size_t byte) {
    if (byte < byte_) byte_ = units_ = 0;
    for (; byte_ < byte; ++byte_) {
      const auto c = static_cast<unsigned char>(text_[byte_]);
      units_ += (c & 0xC0) == 0x80 ? 0 : c >= 0xF0 ? 2 : 1;
    }
    return units_;
  }

 private:
  std::string_view text_;
  size_t byte_ = 0, units_ = 0;
};

Json structure_json(const std::string& thought, const ThoughtStructure& s) {
  Units units(thought);
  Json marks = Json::array();
  for (const BehaviourMark& mark : s.marks) {
    const bool check = mark.behaviour == "verification", back = mark.behaviour == "backtracking";
    marks.push_back({{"kind", check  ? "check"
                              : back ? "backtrack"
                                     : "attempt"},
                     {"begin", units.at(mark.begin)},
                     {"end", units.at(mark.end)},
                     {"text", thought.substr(mark.begin, mark.end - mark.begin)}});
  }
  Json first;
  if (!s.said.empty()) {
    const auto [begin, end] = s.said[0];
    first = {{"begin", units.at(begin)},
             {"end", units.at(end)},
             {"share", static_cast<double>(begin) / static_cast<double>(thought.size())}};
  }
  return {{"characters", s.characters},
          {"paragraphs", s.paragraphs},
          {"checks", s.counts.verification},
          {"backtracks", s.counts.backtracking},
          {"attempts", s.counts.attempts},
          {"marks", std::move(marks)},
          {"answer", s.answer.empty() ? Json() : Json(s.answer)},
          {"said", s.said.size()},
          {"first", std::move(first)}};
}

Json time_of(const Json& content) {
  const Json time = field(content, "time");
  return time.is_number_integer() ? Json(rfc3339(time.get<int64_t>() / 1000)) : Json();
}

}  // namespace

bool is_erasure(const TraceLine& line) {
  return line.content.is_object() && line.content.contains("erased");
}

ThoughtStructure structure_of(const TraceLine& line) {
  return read_thought(text(line.content, "thought"), text(line.content, "answer"));
}

Json trace_summary(const TraceLine& line) {
  const Json& c = line.content;
  if (c.is_null()) return {{"id", line.id}, {"erased", true}};
  if (is_erasure(line))
    return {{"id", line.id},
            {"time", time_of(c)},
            {"erased", field(c, "erased")},
            {"reason", field(c, "reason")}};
  const Json thought = field(c, "tokens", "thought"), all = field(c, "tokens", "generated");
  Json summary = {{"id", line.id},
                  {"time", time_of(c)},
                  {"model", field(c, "model", "name")},
                  {"key", field(c, "key")},
                  {"user", field(c, "user")},
                  {"prompt", beginning(asked_words(c))},
                  {"thought_tokens", thought},
                  {"answer_tokens", thought.is_number_integer() && all.is_number_integer()
                                        ? Json(all.get<int64_t>() - thought.get<int64_t>())
                                        : Json()},
                  {"finish", field(c, "finish")},
                  {"seconds", field(c, "seconds", "whole")}};
  if (!line.snippet.empty()) summary["snippet"] = as_html(line.snippet);
  return summary;
}

Json trace_whole(const TraceLine& line) {
  Json whole = {{"id", line.id}};
  if (line.content.is_null()) {
    whole["erased"] = true;
  } else {
    whole.update(line.content);
    whole["time"] = time_of(line.content);
    whole.erase("nonce");
    if (whole["model"].is_object())
      whole["model"]["file"] =
          std::filesystem::path(text(whole["model"], "file")).filename().string();
    if (!is_erasure(line))
      whole["structure"] = structure_json(text(line.content, "thought"), structure_of(line));
  }
  whole["digest"] = line.digest;
  whole["chain"] = line.chain;
  return whole;
}

}  // namespace r1
