#include "text/tokenizer_json.h"

#include <simdjson.h>

namespace r1 {
namespace {

namespace sj = simdjson;
using sj::ondemand::object;
using sj::ondemand::value;

struct Memory {
  sj::padded_string text;
  sj::ondemand::parser parser;
};

#define R1_JSON(context, expression)                                  \
  do {                                                                \
    if (const sj::error_code code = (expression); code) {             \
      return ::r1::error("{}: {}", context, sj::error_message(code)); \
    }                                                                 \
  } while (false)

Result<nlohmann::json> small(const char* name, value& field) {
  std::string_view raw;
  R1_JSON(name, sj::to_json_string(field).get(raw));
  nlohmann::json parsed = nlohmann::json::parse(raw, nullptr, false);
  if (parsed.is_discarded()) return error("{}: not JSON", name);
  return parsed;
}

class Reader {
 public:
  explicit Reader(size_t file_bytes) : file_bytes_(file_bytes) {}

  Result<void> top(object root) {
    bool model = false;
    for (auto entry : root) {
      std::string_view key;
      value field;
      R1_JSON("tokenizer.json", entry.unescaped_key().get(key));
      R1_JSON(key, entry.value().get(field));
      if (key == "model") {
        object fields;
        R1_JSON("model", field.get_object().get(fields));
        R1_DO(read_model(fields));
        model = true;
      } else if (key == "added_tokens") {
        R1_DO(read_added(field));
      } else if (key == "normalizer") {
        R1_TRY(out.normalizer, small("normalizer", field));
      } else if (key == "pre_tokenizer") {
        R1_TRY(out.pre_tokenizer, small("pre_tokenizer", field));
      } else if (key == "post_processor") {
        R1_TRY(out.post_processor, small("post_processor", field));
      } else if (key == "decoder") {
        R1_TRY(out.decoder, small("decoder", field));
      } else if (key != "version" && key != "truncation" && key != "padding") {
        // Truncation and padding shape training batches; version has been 1.0 for ever.
        return error("\"{}\" is not a known field of tokenizer.json", key);
      }
    }
    if (!model) return error("\"model\" is missing");
    return {};
  }

  TokenizerJson out;

 private:
  Result<void> read_model(object& fields) {
    out.model = nlohmann::json::object();
    for (auto entry : fields) {
      std::string_view key;
      value field;
      R1_JSON("model", entry.unescaped_key().get(key));
      R1_JSON(key, entry.value().get(field));
      if (key == "vocab") {
        R1_DO(read_vocab(field));
      } else if (key == "merges") {
        R1_DO(read_merges(field));
      } else {
        const std::string name(key);
        R1_TRY(out.model[name], small(name.c_str(), field));
      }
    }
    return {};
  }

  // A file that names an id has at least as many bytes as ids: what it makes us allocate stays in
  // proportion.
  Result<size_t> checked_id(int64_t id, std::string_view text) {
    if (id >= 0 && static_cast<uint64_t>(id) < file_bytes_ && id < INT32_MAX / 2) {
      return static_cast<size_t>(id);
    }
    return error("token \"{}\": id {} is out of the range a file of {} bytes can fill", text, id,
                 file_bytes_);
  }

  Result<void> read_vocab(value& field) {
    object entries;
    R1_JSON("model.vocab: an object of token: id expected (Unigram models are not supported)",
            field.get_object().get(entries));
    for (auto entry : entries) {
      std::string_view text;
      int64_t number = 0;
      R1_JSON("model.vocab", entry.unescaped_key().get(text));
      R1_JSON(fmt::format("model.vocab: id of \"{}\"", text),
              entry.value().get_int64().get(number));
      R1_TRY(const size_t id, checked_id(number, text));
      if (id >= out.tokens.size()) out.tokens.resize(id + 1);
      if (out.tokens[id].data() != nullptr) {
        return error("model.vocab: \"{}\" and \"{}\" have the same id {}", out.tokens[id], text,
                     id);
      }
      out.tokens[id] = text;
    }
    return {};
  }

  // "left right", or ["left", "right"] in newer files.
  Result<void> read_merges(value& field) {
    sj::ondemand::array rules;
    R1_JSON("model.merges", field.get_array().get(rules));
    for (auto entry : rules) {
      value rule;
      R1_JSON("model.merges", entry.get(rule));
      std::string_view text;
      if (rule.get_string().get(text) == sj::SUCCESS) {
        const size_t space = text.find(' ');
        if (space == std::string_view::npos ||
            text.find(' ', space + 1) != std::string_view::npos) {
          return error("model.merges: rule {} (\"{}\") is not two tokens", out.merges.size(), text);
        }
        out.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
        continue;
      }
      sj::ondemand::array pair;
      R1_JSON("model.merges: a rule is neither a string nor a pair", rule.get_array().get(pair));
      std::string_view sides[2];
      size_t count = 0;
      for (auto side : pair) {
        if (count == 2)
          return error("model.merges: rule {} has more than two tokens", out.merges.size());
        R1_JSON("model.merges", side.get_string().get(sides[count++]));
      }
      if (count != 2)
        return error("model.merges: rule {} has {} tokens, not two", out.merges.size(), count);
      out.merges.emplace_back(sides[0], sides[1]);
    }
    return {};
  }

  Result<void> read_added(value& field) {
    sj::ondemand::array list;
    R1_JSON("added_tokens", field.get_array().get(list));
    for (auto entry : list) {
      object fields;
      R1_JSON("added_tokens", entry.get_object().get(fields));
      AddedToken token;
      int64_t id = -1;
      for (auto pair : fields) {
        std::string_view key;
        R1_JSON("added_tokens", pair.unescaped_key().get(key));
        std::string_view content;
        if (key == "id") {
          R1_JSON("added_tokens: id", pair.value().get_int64().get(id));
        } else if (key == "content") {
          R1_JSON("added_tokens: content", pair.value().get_string().get(content));
          token.text = content;
        } else if (bool* flag = flag_of(token, key)) {
          R1_JSON(key, pair.value().get_bool().get(*flag));
        } else {
          return error("added_tokens: the flag \"{}\" is not supported", key);
        }
      }
      R1_TRY(const size_t checked, checked_id(id, token.text));
      token.id = static_cast<int32_t>(checked);
      out.added.push_back(std::move(token));
    }
    return {};
  }

  static bool* flag_of(AddedToken& token, std::string_view key) {
    if (key == "single_word") return &token.single_word;
    if (key == "lstrip") return &token.lstrip;
    if (key == "rstrip") return &token.rstrip;
    if (key == "normalized") return &token.normalized;
    if (key == "special") return &token.special;
    return nullptr;
  }

  size_t file_bytes_;
};

}  // namespace

Result<TokenizerJson> parse_tokenizer_json(std::string_view json) {
  auto memory = std::make_shared<Memory>();
  memory->text = sj::padded_string(json);
  Reader reader(json.size());
  sj::ondemand::document document;
  object root;
  R1_JSON("tokenizer.json", memory->parser.iterate(memory->text).get(document));
  R1_JSON("tokenizer.json", document.get_object().get(root));
  R1_DO(reader.top(root));
  const char* rest = nullptr;
  if (document.current_location().get(rest) == sj::SUCCESS) {
    return error("tokenizer.json: text after the end of its object");
  }
  reader.out.memory = memory;
  return std::move(reader.out);
}

}  // namespace r1
