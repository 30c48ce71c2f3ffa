#include "infer/vocab_spec.h"

#include <filesystem>

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kJsonLimit = 256ull
                                << 20;  // bytes; the largest published tokenizer.json has 35 MB
constexpr const char* kNone = "none";   // tokenizer.ggml.model of a file without a vocabulary
constexpr const char* kPrefix = "tokenizer.ggml.";

// The array at tokenizer.ggml.NAME, nullptr where it is absent.
template <class T>
Result<const std::vector<T>*> array(const WeightFile& file, const char* name) {
  const std::string key = std::string(kPrefix) + name;
  const MetaValue* value = file.meta(key);
  if (value == nullptr) return nullptr;
  const auto* list = std::get_if<std::shared_ptr<const MetaArray>>(value);
  const auto* items = list == nullptr ? nullptr : std::get_if<std::vector<T>>(&(*list)->items);
  if (items == nullptr) return error("{}: has another type than an array of its kind", key);
  return items;
}

Result<std::optional<int32_t>> id(const WeightFile& file, const char* name) {
  const std::string key = std::string(kPrefix) + name;
  R1_TRY(const std::optional<int64_t> value, file.integer(key));
  if (!value) return std::optional<int32_t>();
  if (*value == -1 || *value == UINT32_MAX)
    return std::optional<int32_t>();  // how "none" is written
  if (*value < 0 || *value > INT32_MAX) return error("{}: {} is no token id", key, *value);
  return std::optional(static_cast<int32_t>(*value));
}

Result<std::vector<TokenKind>> kinds(const WeightFile& file) {
  std::vector<int64_t> numbers;
  if (auto signed_list = array<int64_t>(file, "token_type")) {
    if (*signed_list != nullptr) numbers = **signed_list;
  } else {
    R1_TRY(const auto* list, array<uint64_t>(file, "token_type"));
    for (const uint64_t n : *list) numbers.push_back(static_cast<int64_t>(n));
  }
  std::vector<TokenKind> result;
  result.reserve(numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] < 1 || numbers[i] > 6) {
      return error("tokenizer.ggml.token_type: {} at {}; the types are 1 to 6", numbers[i], i);
    }
    result.push_back(static_cast<TokenKind>(numbers[i] - 1));  // the enum is in GGUF's order
  }
  return result;
}

Result<Tokenizer> from_files(const std::string& json_path) {
  R1_TRY(const std::string json, read_file(json_path, kJsonLimit));
  const std::string config_path =
      (fs::path(json_path).parent_path() / "tokenizer_config.json").string();
  std::string config;
  if (file_exists(config_path)) {
    R1_TRY(config, read_file(config_path, kJsonLimit));
  }
  auto tokenizer = Tokenizer::from_json(json, config);
  if (!tokenizer) return std::move(tokenizer).error().in(json_path);
  return tokenizer;
}

}  // namespace

Result<VocabSpec> read_vocab_spec(const WeightFile& file) {
  VocabSpec spec;
  R1_TRY(const auto model, file.text("tokenizer.ggml.model"));
  spec.model = model.value_or(kNone);
  if (spec.model == kNone) {
    return error("the file has no tokenizer (tokenizer.ggml.model): it runs on ids alone");
  }
  const bool byte_level = spec.model == "gpt2";
  R1_TRY(const auto pre, file.text("tokenizer.ggml.pre"));
  if (byte_level && !pre) {
    return error(
        "tokenizer.ggml.pre is absent: the file is older than May 2024 and does not say how text "
        "is cut; "
        "convert the model again");
  }
  spec.pre = pre.value_or("default");
  R1_TRY(const auto* tokens, array<std::string_view>(file, "tokens"));
  if (tokens != nullptr) spec.tokens = *tokens;
  R1_TRY(const auto* merges, array<std::string_view>(file, "merges"));
  if (merges != nullptr) spec.merges = *merges;
  R1_TRY(const auto* scores, array<double>(file, "scores"));
  if (scores != nullptr && !byte_level) spec.scores.assign(scores->begin(), scores->end());
  R1_TRY(spec.kinds, kinds(file));
  R1_TRY(spec.bos, id(file, "bos_token_id"));
  R1_TRY(spec.eos, id(file, "eos_token_id"));
  R1_TRY(spec.eot, id(file, "eot_token_id"));
  R1_TRY(spec.unk, id(file, "unknown_token_id"));
  R1_TRY(spec.pad, id(file, "padding_token_id"));
  // Where the file is silent: SentencePiece and Llama 3 begin with BOS, GPT-2's kind does not.
  R1_TRY(const auto add_bos, file.boolean("tokenizer.ggml.add_bos_token"));
  spec.add_bos = add_bos.value_or(!byte_level || spec.pre == "llama-bpe" || spec.pre == "llama3" ||
                                  spec.pre == "llama-v3");
  R1_TRY(const auto add_eos, file.boolean("tokenizer.ggml.add_eos_token"));
  spec.add_eos = add_eos.value_or(false);
  R1_TRY(const auto prefix, file.boolean("tokenizer.ggml.add_space_prefix"));
  spec.add_space_prefix = prefix.value_or(true);
  return spec;
}

Result<bool> has_tokenizer(const WeightFile& file) {
  if (file.container() == Container::kGguf) {
    R1_TRY(const auto model, file.text("tokenizer.ggml.model"));
    return std::string_view(model.value_or(kNone)) != kNone;
  }
  R1_TRY(const std::string json, file.side_file("tokenizer.json", kJsonLimit));
  return !json.empty();
}

Result<Tokenizer> load_tokenizer(const WeightFile& file) {
  if (file.container() == Container::kGguf) {
    R1_TRY(const VocabSpec spec, read_vocab_spec(file));
    return Tokenizer::from_vocab(spec);
  }
  R1_TRY(const std::string json, file.side_file("tokenizer.json", kJsonLimit));
  if (json.empty())
    return error("there is no tokenizer.json beside the weights: the model runs on ids alone");
  R1_TRY(const std::string config, file.side_file("tokenizer_config.json", kJsonLimit));
  auto tokenizer = Tokenizer::from_json(json, config);
  if (!tokenizer) return std::move(tokenizer).error().in("tokenizer.json");
  return tokenizer;
}

Result<std::optional<Tokenizer>> find_tokenizer(const WeightFile& file) {
  R1_TRY(const bool texts, has_tokenizer(file));
  std::optional<Tokenizer> tokenizer;
  if (texts) {
    R1_TRY(tokenizer, load_tokenizer(file));
  }
  return tokenizer;
}

Result<Tokenizer> open_tokenizer(const std::string& path) {
  if (path.ends_with(".json")) return from_files(path);
  const std::string inside = (fs::path(path) / "tokenizer.json").string();
  if (file_exists(inside)) return from_files(inside);
  R1_TRY(const WeightFile file, WeightFile::open(path));
  auto tokenizer = load_tokenizer(file);
  if (!tokenizer) return std::move(tokenizer).error().in(path);
  return tokenizer;
}

}  // namespace r1
