#include "format/gguf_tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "format/hf_config.h"

namespace r1 {
namespace {

using nlohmann::json;

constexpr uint64_t kTokenizerLimit = 128 << 20;
constexpr uint64_t kConfigLimit = 16 << 20;

enum TokenType : int32_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };

// The ways of splitting text before the merges, as the pre-tokenizers of tokenizer.json in order.
struct Family {
  std::string_view name;  // tokenizer.ggml.pre
  std::vector<std::string_view> steps;
};

constexpr std::string_view kGpt2 = "ByteLevel with its own pattern";
constexpr std::string_view kSingleDigits = "Digits one by one";

const std::vector<Family>& families() {
  static const std::vector<Family> kFamilies = {
      {"deepseek-v3",
       {R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+",
        "[!\"#$%&'()*+,\\-./"
        ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
        " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"}},
      {"qwen2",
       {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
        R"(\s+(?!\S)|\s+)"}},
      {"llama-bpe",
       {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
        R"(\s+(?!\S)|\s+)"}},
      {"smollm", {kSingleDigits, kGpt2}},
      {"gpt-2", {kGpt2}},
  };
  return kFamilies;
}

std::string string_at(const json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag_at(const json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

const json& child(const json& object, const char* key) {
  static const json kNull;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() ? *found : kNull;
}

Result<json> read_json(const WeightFile& folder, std::string_view name, uint64_t limit) {
  R1_TRY(const std::string text, folder.side_file(name, limit));
  if (text.empty()) return json();
  json parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return error("{}: not valid JSON", name);
  return parsed;
}

Result<std::string> family_name(const json& tokenizer) {
  const json& pre = child(tokenizer, "pre_tokenizer");
  const json alone = json::array({pre});
  std::vector<std::string> steps;
  for (const json& step :
       string_at(pre, "type") == "Sequence" ? child(pre, "pretokenizers") : alone) {
    const std::string type = string_at(step, "type");
    if (type == "Split")
      steps.push_back(string_at(child(step, "pattern"), "Regex"));
    else if (type == "Digits" && flag_at(step, "individual_digits"))
      steps.emplace_back(kSingleDigits);
    else if (type == "ByteLevel" && flag_at(step, "use_regex"))
      steps.emplace_back(kGpt2);
    else if (type != "ByteLevel")
      steps.push_back(type);
  }
  for (const Family& family : families()) {
    if (std::equal(steps.begin(), steps.end(), family.steps.begin(), family.steps.end()))
      return std::string(family.name);
  }
  std::string known;
  for (const Family& family : families())
    known += (known.empty() ? "" : ", ") + std::string(family.name);
  return error(
      "tokenizer.json: its pre_tokenizer is of no family that GGUF has a name for; known are {}",
      known);
}

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;

  Result<void> set(const std::string& token, const json& id, int32_t type) {
    const auto value = id.is_number_unsigned() ? id.get<uint64_t>() : tokens.size();
    if (value >= tokens.size()) {
      return error("tokenizer.json: token '{}' has the id {}, the model has {} of them", token,
                   id.dump(), tokens.size());
    }
    tokens[value] = token;
    types[value] = type;
    return {};
  }

  std::optional<uint32_t> find(std::string_view token) const {
    const auto found = std::find(tokens.begin(), tokens.end(), token);
    if (token.empty() || found == tokens.end()) return std::nullopt;
    return static_cast<uint32_t>(found - tokens.begin());
  }
};

Result<Vocabulary> read_vocabulary(const json& tokenizer, int64_t vocab_size) {
  Vocabulary vocabulary;
  vocabulary.types.assign(static_cast<size_t>(vocab_size), kUnused);
  for (int64_t id = 0; id < vocab_size; ++id)
    vocabulary.tokens.push_back(fmt::format("[PAD{}]", id));
  const json& vocab = child(child(tokenizer, "model"), "vocab");
  if (!vocab.is_object()) return error("tokenizer.json: model.vocab is no object");
  for (const auto& [token, id] : vocab.items()) R1_DO(vocabulary.set(token, id, kNormal));
  for (const json& added : child(tokenizer, "added_tokens")) {
    const int32_t type = flag_at(added, "special") ? kControl : kUserDefined;
    R1_DO(vocabulary.set(string_at(added, "content"), child(added, "id"), type));
  }
  return vocabulary;
}

// "a b" strings, or [a, b] pairs in newer files.
Result<std::vector<std::string>> read_merges(const json& tokenizer) {
  std::vector<std::string> merges;
  const json& list = child(child(tokenizer, "model"), "merges");
  if (!list.is_array()) return error("tokenizer.json: model.merges is no list");
  for (const json& merge : list) {
    if (merge.is_string()) {
      merges.push_back(merge.get<std::string>());
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
    } else {
      return error("tokenizer.json: merge {} is neither \"a b\" nor [\"a\", \"b\"]", merges.size());
    }
  }
  return merges;
}

// A token of tokenizer_config.json: its text, or an object that holds it.
std::string config_token(const json& config, const char* key) {
  const json& token = child(config, key);
  return token.is_string() ? token.get<std::string>() : string_at(token, "content");
}

// tokenizer_config.json decides; where it is silent, generation_config.json, then config.json
// (whose ids the distills of Qwen have wrong).
Result<std::optional<uint32_t>> special_id(const WeightFile& folder, const json& config,
                                           const Vocabulary& vocabulary, const std::string& name) {
  if (const auto id = vocabulary.find(config_token(config, (name + "_token").c_str()))) return id;
  for (const char* place : {"generation_config.", ""}) {
    const std::string key = place + name + "_token_id";
    const MetaValue* value = folder.meta(key);
    if (!value || std::holds_alternative<std::shared_ptr<const MetaArray>>(*value))
      continue;  // a list: many ends
    R1_TRY(const auto id, folder.integer(key));
    if (id && *id >= 0 && static_cast<uint64_t>(*id) < vocabulary.tokens.size())
      return std::optional(static_cast<uint32_t>(*id));
  }
  return std::optional<uint32_t>{};
}

// Does the post-processor put this token before the text?
bool template_begins_with(const json& post, const std::string& token) {
  if (string_at(post, "type") == "Sequence") {
    const json& list = child(post, "processors");
    return std::any_of(list.begin(), list.end(),
                       [&](const json& p) { return template_begins_with(p, token); });
  }
  const json& single = child(post, "single");
  return single.is_array() && !single.empty() &&
         string_at(child(single[0], "SpecialToken"), "id") == token;
}

Result<void> add_special_tokens(const WeightFile& folder, const json& tokenizer, const json& config,
                                const Vocabulary& vocabulary, GgufMetadata& metadata) {
  constexpr std::pair<const char*, const char*> kSpecial[] = {
      {"bos", "bos"}, {"eos", "eos"}, {"unk", "unknown"}, {"pad", "padding"}};
  std::optional<uint32_t> bos;
  for (const auto& [hf, gguf] : kSpecial) {
    R1_TRY(const auto id, special_id(folder, config, vocabulary, hf));
    if (id) metadata.emplace_back(fmt::format("tokenizer.ggml.{}_token_id", gguf), *id);
    if (gguf == std::string_view("bos")) bos = id;
  }
  for (const char* turn_end : {"<|eot_id|>", "<|im_end|>"}) {
    if (const auto id = vocabulary.find(turn_end))
      metadata.emplace_back("tokenizer.ggml.eot_token_id", *id);
  }
  const json& add_bos = child(config, "add_bos_token");
  const bool begins =
      bos && template_begins_with(child(tokenizer, "post_processor"), vocabulary.tokens[*bos]);
  metadata.emplace_back("tokenizer.ggml.add_bos_token",
                        add_bos.is_boolean() ? add_bos.get<bool>() : begins);
  metadata.emplace_back("tokenizer.ggml.add_eos_token", flag_at(config, "add_eos_token"));
  return {};
}

}  // namespace

Result<void> add_tokenizer(const WeightFile& folder, int64_t vocab_size, GgufMetadata& metadata) {
  R1_TRY(const json config, read_json(folder, "tokenizer_config.json", kConfigLimit));
  R1_TRY(const auto chat, chat_template_source(folder));
  if (chat) metadata.emplace_back("tokenizer.chat_template", *chat);
  R1_TRY(const json tokenizer, read_json(folder, "tokenizer.json", kTokenizerLimit));
  if (tokenizer.is_null()) {
    metadata.emplace_back("tokenizer.ggml.model", "none");
    return {};
  }
  const std::string kind = string_at(child(tokenizer, "model"), "type");
  if (kind != "BPE" || flag_at(child(tokenizer, "model"), "byte_fallback")) {
    return error("tokenizer.json: model of type '{}'{} cannot be converted: byte-level BPE can",
                 kind, kind == "BPE" ? " with byte_fallback" : "");
  }
  R1_TRY(std::string pre, family_name(tokenizer));
  R1_TRY(const Vocabulary vocabulary, read_vocabulary(tokenizer, vocab_size));
  R1_TRY(std::vector<std::string> merges, read_merges(tokenizer));
  metadata.emplace_back("tokenizer.ggml.model", "gpt2");
  metadata.emplace_back("tokenizer.ggml.pre", std::move(pre));
  metadata.emplace_back("tokenizer.ggml.tokens", GgufArray{vocabulary.tokens});
  metadata.emplace_back("tokenizer.ggml.token_type", GgufArray{vocabulary.types});
  metadata.emplace_back("tokenizer.ggml.merges", GgufArray{std::move(merges)});
  return add_special_tokens(folder, tokenizer, config, vocabulary, metadata);
}

}  // namespace r1
