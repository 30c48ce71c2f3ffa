// r1 template: the chat template of a model or a file; with --jsonl renders one conversation a
// line, as the reference set-up in Hugging Face transformers would.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "format/hf_config.h"
#include "infer/vocab_spec.h"
#include "text/chat_template.h"

namespace r1 {

const char* const template_examples =
    "Examples:\n"
    "  r1 template model.gguf                       the template itself\n"
    "  r1 template model.gguf --jsonl < chats.jsonl\n"
    "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], "
    "\"add_generation_prompt\": true}' |\n"
    "    r1 template chat.jinja --jsonl             {\"rendered\": ...} or {\"error\": ...} for "
    "each line\n"
    "  A line may also have \"tools\", and \"vars\" for whatever else the template reads.\n";

namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kSourceLimit = 1 << 20;  // bytes; the parser's limit

struct Source {
  std::string text;
  Json tokens = Json::object();  // bos_token, ... of a model, which a line's "vars" may replace
};

Json named_tokens(const Tokenizer& tokenizer) {
  Json tokens = Json::object();
  const auto name = [&](const char* key, std::optional<int32_t> id) {
    if (id) tokens[key] = std::string(tokenizer.bytes(*id));
  };
  name("bos_token", tokenizer.bos());
  name("eos_token", tokenizer.eos());
  name("pad_token", tokenizer.pad());
  return tokens;
}

Result<Source> load(const std::string& path, bool with_tokens) {
  Source source;
  if (path.ends_with(".jinja")) {
    R1_TRY(source.text, read_file(path, kSourceLimit));
    return source;
  }
  R1_TRY(const WeightFile file, WeightFile::open(path));
  R1_TRY(auto found, chat_template_source(file));
  if (!found) return error("'{}' has no chat template; give a .jinja file", path);
  source.text = *std::move(found);
  R1_TRY(const bool has_tokens, has_tokenizer(file));
  if (with_tokens && has_tokens) {
    R1_TRY(const Tokenizer tokenizer, load_tokenizer(file));
    source.tokens = named_tokens(tokenizer);
  }
  return source;
}

// What a line asks to be rendered, as the template's variables.
Result<Json> variables(const Json& line, Json result) {
  if (!line.is_object() || !line.contains("messages"))
    return Error{"a JSON object with \"messages\" expected"};
  result["tools"] = nullptr;
  result["add_generation_prompt"] = false;
  for (const auto& [key, value] : line.items()) {
    if (key == "messages" && !value.is_array())
      return error("\"messages\" must be a list, it is {}", value.type_name());
    if (key == "messages" || key == "tools" || key == "add_generation_prompt") result[key] = value;
  }
  if (!line.contains("vars")) return result;
  if (!line["vars"].is_object())
    return error("\"vars\" must be an object, it is {}", line["vars"].type_name());
  for (const auto& [key, value] : line["vars"].items()) result[key] = value;
  return result;
}

Result<std::string> render_line(const ChatTemplate& chat_template, const Json& tokens,
                                const std::string& line) {
  R1_TRY(const Json given, variables(Json::parse(line, nullptr, false), tokens));
  return chat_template.render(given);
}

// Lines out stay lines in; what a template refuses is an answer too.
void render_lines(const ChatTemplate& chat_template, const Json& tokens) {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto rendered = render_line(chat_template, tokens, line);
    const Json out =
        rendered ? Json{{"rendered", *rendered}} : Json{{"error", rendered.error().message}};
    fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
}

struct Options {
  std::string model;
  bool jsonl = false;
};

Result<void> run_template(const Options& o) {
  R1_TRY(const Source source, load(o.model, o.jsonl));
  if (!o.jsonl) {
    const bool raw = !terminal(STDOUT_FILENO).interactive;
    fmt::print("{}{}", raw ? source.text : printable(source.text), raw ? "" : "\n");
    return {};
  }
  auto parsed = ChatTemplate::parse(source.text);
  if (!parsed) return std::move(parsed).error().in(o.model);
  render_lines(*parsed, source.tokens);
  return {};
}

}  // namespace

Run declare_template(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->model, "a GGUF file, a Hugging Face folder, or a .jinja file")
      ->required();
  app.add_flag("--jsonl", options->jsonl,
               "render: lines {\"messages\", \"tools\", \"add_generation_prompt\", \"vars\"} from "
               "standard input, a line "
               "{\"rendered\"} or {\"error\"} out for each");
  return [options] { return run_template(*options); };
}

}  // namespace r1
