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

namespace {

using ordered_json = nlohmann::ordered_json;

// The array at tokenizer.ggml.NAME.
template <class T>
Result<const std::vector<T>*> array_of(const WeightFile& gguf, const char* name) {
  const MetaValue* value = gguf.meta(fmt::format("tokenizer.ggml.{}", name));
  const auto* list = value ? std::get_if<std::shared_ptr<const MetaArray>>(value) : nullptr;
  const auto* items = list ? std::get_if<std::vector<T>>(&(*list)->items) : nullptr;
  if (!items) return error("tokenizer.ggml.{}: missing, or of another type", name);
  return items;
}

// A step of families() as tokenizer.json says it.
ordered_json step_json(std::string_view step) {
  if (step == kSingleDigits) return {{"type", "Digits"}, {"individual_digits", true}};
  if (step == kGpt2)
    return {{"type", "ByteLevel"},
            {"add_prefix_space", false},
            {"trim_offsets", true},
            {"use_regex", true}};
  return {{"type", "Split"},
          {"pattern", {{"Regex", step}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

Result<ordered_json> pre_tokenizer_json(std::string_view family) {
  constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
      {"deepseek-r1-qwen", "qwen2"}, {"llama3", "llama-bpe"}, {"llama-v3", "llama-bpe"}};
  for (const auto& [alias, name] : kAliases) {
    if (family == alias) family = name;
  }
  const auto found = std::ranges::find(families(), family, &Family::name);
  if (found == families().end())
    return error("tokenizer.ggml.pre: no pattern is known for the family '{}'", family);
  ordered_json steps = ordered_json::array();
  for (const std::string_view step : found->steps) steps.push_back(step_json(step));
  if (found->steps.back() != kGpt2) {
    steps.push_back(step_json(kGpt2));
    steps.back()["use_regex"] = false;
  }
  return ordered_json{{"type", "Sequence"}, {"pretokenizers", steps}};
}

// The text of the token whose id GGUF has under NAME_token_id; none where it has none.
Result<std::optional<std::string>> special_token(const WeightFile& gguf, const char* name,
                                                 const std::vector<std::string_view>& tokens) {
  R1_TRY(const auto id, gguf.integer(fmt::format("tokenizer.ggml.{}_token_id", name)));
  if (!id || *id < 0 || *id >= std::ssize(tokens)) return std::optional<std::string>();
  return std::optional(std::string(tokens[static_cast<size_t>(*id)]));
}

// nlohmann::json throws where a text is no UTF-8.
Result<std::string> text_of(const ordered_json& document) {
  try {
    return document.dump(2) + '\n';
  } catch (const ordered_json::type_error&) {
    return error("a text of the tokenizer is no UTF-8");
  }
}

}  // namespace

Result<std::vector<TextFile>> tokenizer_files(const WeightFile& gguf) {
  R1_TRY(const auto model, gguf.text("tokenizer.ggml.model"));
  if (model.value_or("none") == "none") return std::vector<TextFile>();
  if (*model != "gpt2")
    return error("tokenizer.ggml.model: '{}' has no tokenizer.json here: byte-level BPE (gpt2) has",
                 *model);
  R1_TRY(const auto pre, gguf.text("tokenizer.ggml.pre"));
  R1_TRY(const ordered_json pre_tokenizer, pre_tokenizer_json(pre.value_or("")));
  R1_TRY(const auto* tokens, array_of<std::string_view>(gguf, "tokens"));
  R1_TRY(const auto* merges, array_of<std::string_view>(gguf, "merges"));
  R1_TRY(const auto* types, array_of<int64_t>(gguf, "token_type"));
  if (types->size() != tokens->size())
    return error("tokenizer.ggml.token_type: {} of them, {} tokens", types->size(), tokens->size());
  ordered_json vocab = ordered_json::object(), added = ordered_json::array();
  for (size_t id = 0; id < tokens->size(); ++id) {
    const int64_t type = (*types)[id];
    if (type == kUnused) continue;
    // All of them: Hugging Face counts anew those that are added alone. ordered_json would look for
    // the key among all before it.
    vocab.get_ref<ordered_json::object_t&>().emplace_back(std::string((*tokens)[id]), id);
    if (type == kNormal) continue;
    added.push_back({{"id", id},
                     {"content", (*tokens)[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", type != kUserDefined}});
  }
  const bool llama3 = pre_tokenizer == *pre_tokenizer_json("llama-bpe");
  const bool nfc = pre_tokenizer == *pre_tokenizer_json("qwen2");
  R1_TRY(const auto add_bos, gguf.boolean("tokenizer.ggml.add_bos_token"));
  R1_TRY(const auto add_eos, gguf.boolean("tokenizer.ggml.add_eos_token"));
  R1_TRY(const auto bos, special_token(gguf, "bos", *tokens));
  const bool begins = bos && add_bos.value_or(llama3);
  const ordered_json byte_level = step_json(kGpt2);
  ordered_json post = byte_level;
  if (begins) {
    R1_TRY(const auto bos_id, gguf.integer("tokenizer.ggml.bos_token_id"));
    const ordered_json first = {{"SpecialToken", {{"id", *bos}, {"type_id", 0}}}},
                       a = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
                       b = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
    const ordered_json token = {{"id", *bos}, {"ids", {*bos_id}}, {"tokens", {*bos}}};
    post = {{"type", "TemplateProcessing"},
            {"single", {first, a}},
            {"pair", {first, a, first, b}},
            {"special_tokens", {{*bos, token}}}};
  }
  const ordered_json tokenizer = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", nfc ? ordered_json{{"type", "NFC"}} : ordered_json()},
      {"pre_tokenizer", pre_tokenizer},
      {"post_processor", post},
      {"decoder", byte_level},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", llama3},
        {"vocab", std::move(vocab)},
        {"merges", *merges}}}};
  ordered_json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                         {"add_bos_token", begins},
                         {"add_eos_token", add_eos.value_or(false)},
                         {"clean_up_tokenization_spaces", false}};
  constexpr std::pair<const char*, const char*> kSpecial[] = {{"bos", "bos_token"},
                                                              {"eos", "eos_token"},
                                                              {"unknown", "unk_token"},
                                                              {"padding", "pad_token"}};
  for (const auto& [name, key] : kSpecial) {
    R1_TRY(const auto token, special_token(gguf, name, *tokens));
    if (token) config[key] = *token;
  }
  R1_TRY(const auto chat, chat_template_source(gguf));
  if (chat) config["chat_template"] = *chat;
  R1_TRY(std::string tokenizer_text, text_of(tokenizer));
  R1_TRY(std::string config_text, text_of(config));
  return std::vector<TextFile>{{"tokenizer.json", std::move(tokenizer_text)},
                               {"tokenizer_config.json", std::move(config_text)}};
}

}  // namespace r1
