// r1 tokenize: text to token ids and back; with --jsonl one JSON object a line, split at \n only.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "infer/vocab_spec.h"
#include "text/unicode.h"

namespace r1 {

const char* const tokenize_examples =
    "Examples:\n"
    "  r1 tokenize model.gguf \"Hello, world!\"\n"
    "  r1 tokenize tokenizer.json --pieces < notes.txt        each id with its text\n"
    "  r1 tokenize model.gguf --decode \"9707 11 1879 0\"\n"
    "  r1 tokenize model.gguf --jsonl < texts.jsonl           {\"text\":...} to {\"ids\":[...]}\n"
    "  r1 tokenize model.gguf --jsonl --decode < ids.jsonl    and back\n";

namespace {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;

struct Options {
  std::string model, text;
  bool has_text = false, jsonl = false, decode = false, special = true, pieces = false;
};

// A token or a text may be no whole UTF-8: JSON then holds U+FFFD.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Ids encode(const Tokenizer& tokenizer, const Options& o, std::string_view text) {
  // Tokenizer::kLiteral has a meaning inside the program, not in what people give it.
  return is_utf8(text) ? tokenizer.encode(text, o.special)
                       : tokenizer.encode(replace_invalid(text), o.special);
}

Result<int32_t> checked(const Tokenizer& tokenizer, int64_t id) {
  if (id >= 0 && id < tokenizer.size()) return static_cast<int32_t>(id);
  return error("id {} is not in the vocabulary: ids are 0 to {}", id, tokenizer.size() - 1);
}

Result<Json> convert_line(const Tokenizer& tokenizer, const Options& o, const std::string& line) {
  const Json in = Json::parse(line, nullptr, false);
  const char* const key = o.decode ? "ids" : "text";
  if (!in.is_object() || !in.contains(key)) return error("a JSON object with \"{}\" expected", key);
  const Json& value = in[key];
  if (!o.decode) {
    if (!value.is_string()) return error("\"text\" must be a string, it is {}", value.type_name());
    return Json{{"ids", encode(tokenizer, o, value.get_ref<const std::string&>())}};
  }
  if (!value.is_array()) return error("\"ids\" must be a list, it is {}", value.type_name());
  Ids ids;
  for (const Json& item : value) {
    const bool fits =
        item.is_number_unsigned() ? item.get<uint64_t>() <= INT64_MAX : item.is_number_integer();
    if (!fits) return error("\"ids\" holds {}, which is no token id", dump(item));
    R1_TRY(const int32_t id, checked(tokenizer, item.get<int64_t>()));
    ids.push_back(id);
  }
  return Json{{"text", tokenizer.decode(ids, !o.special)}};
}

// A bad line answers {"error": ...} in its place, so that lines out stay lines in.
Result<void> convert_lines(const Tokenizer& tokenizer, const Options& o) {
  std::ios::sync_with_stdio(false);
  std::string line;
  uint64_t lines = 0, bad = 0;
  while (std::getline(std::cin, line)) {
    ++lines;
    auto out = convert_line(tokenizer, o, line);
    if (!out) ++bad;
    const Json json = out ? *std::move(out)
                          : Json{{"error", fmt::format("line {}: {}", lines, out.error().message)}};
    fmt::print("{}\n", dump(json));
  }
  if (bad > 0) return error("{} of {} lines failed", bad, lines);
  return {};
}

Result<void> decode_text(const Tokenizer& tokenizer, const Options& o, const std::string& text) {
  std::istringstream words(text);
  Ids ids;
  for (std::string word; words >> word;) {
    char* end = nullptr;
    errno = 0;
    const int64_t number = std::strtoll(word.c_str(), &end, 10);
    if (*end != '\0' || errno != 0) return error("\"{}\" is no token id", printable(word));
    R1_TRY(const int32_t id, checked(tokenizer, number));
    ids.push_back(id);
  }
  const std::string decoded = tokenizer.decode(ids, !o.special);
  if (!terminal(STDOUT_FILENO).interactive) {
    std::fwrite(decoded.data(), 1, decoded.size(), stdout);  // every byte as it is
    return {};
  }
  ControlFilter filter;
  fmt::print("{}", filter.feed(decoded));
  fmt::print("{}\n", filter.finish());
  return {};
}

void encode_text(const Tokenizer& tokenizer, const Options& o, std::string_view text) {
  const Ids ids = encode(tokenizer, o, text);
  if (o.pieces) {
    for (const int32_t id : ids)
      fmt::print("{:>7}  {}\n", id, dump(std::string(tokenizer.bytes(id))));
  } else {
    fmt::print("{}\n", fmt::join(ids, " "));
  }
}

Result<void> run(const Options& o) {
  if (o.jsonl && o.has_text)
    return error("--jsonl reads its lines from standard input: leave TEXT out");
  if (o.pieces && (o.jsonl || o.decode))
    return error("--pieces shows encoded text: leave --jsonl and --decode out");
  R1_TRY(const Tokenizer tokenizer, open_tokenizer(o.model));
  if (o.jsonl) return convert_lines(tokenizer, o);
  const std::string text =
      o.has_text ? o.text : std::string(std::istreambuf_iterator<char>(std::cin), {});
  if (o.decode) return decode_text(tokenizer, o, text);
  encode_text(tokenizer, o, text);
  return {};
}

}  // namespace

Run declare_tokenize(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.add_option("model", o->model, "a GGUF file, a Hugging Face folder or a tokenizer.json")
      ->required();
  CLI::Option* text =
      app.add_option("text", o->text, "the text (or ids); without it standard input");
  app.add_flag("--jsonl", o->jsonl, "one JSON object a line, from standard input");
  app.add_flag("--decode", o->decode, "ids to text");
  app.add_flag("--special,!--no-special", o->special,
               "control tokens spelled in the text are parsed, and shown when decoding (on)");
  app.add_flag("--pieces", o->pieces, "one token a line: its id and its text");
  return [o, text] {
    o->has_text = text->count() > 0;
    return run(*o);
  };
}

}  // namespace r1
