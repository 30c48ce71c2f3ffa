#include "format/summary.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "format/hf_config.h"

namespace r1 {
namespace {

constexpr uint64_t kReadmeLimit = 1 << 20;

// The first of these keys that holds a whole number. Per-layer lists, which some architectures
// have, count as none.
std::optional<int64_t> whole(const WeightFile& file, std::initializer_list<std::string> keys) {
  for (const auto& key : keys) {
    const auto value = file.integer(key);
    if (value && *value) return *value;
  }
  return std::nullopt;
}

std::string word(const WeightFile& file, std::initializer_list<std::string> keys) {
  for (const auto& key : keys) {
    const auto value = file.text(key);
    if (value && *value) return **value;
  }
  return "";
}

const std::vector<std::string_view>* texts(const WeightFile& file, std::string_view key) {
  const MetaValue* value = file.meta(key);
  const auto* array = value ? std::get_if<std::shared_ptr<const MetaArray>>(value) : nullptr;
  return array ? std::get_if<std::vector<std::string_view>>(&(*array)->items) : nullptr;
}

void read_shape(const WeightFile& file, Summary& s) {
  const std::string a = s.architecture + ".";
  s.context_length = whole(file, {a + "context_length", "max_position_embeddings"});
  s.layers = whole(file, {a + "block_count", "num_hidden_layers"});
  s.dim = whole(file, {a + "embedding_length", "hidden_size"});
  s.heads = whole(file, {a + "attention.head_count", "num_attention_heads"});
  s.kv_heads = whole(file, {a + "attention.head_count_kv", "num_key_value_heads"});
  if (!s.kv_heads) s.kv_heads = s.heads;
  s.head_dim = whole(file, {a + "attention.key_length", "head_dim"});
  const auto nope = whole(file, {"qk_nope_head_dim"}), rope = whole(file, {"qk_rope_head_dim"});
  const auto sane = [](const std::optional<int64_t>& n) { return n && *n >= 0 && *n < (1 << 20); };
  if (!s.head_dim && sane(nope) && sane(rope)) s.head_dim = *nope + *rope;
  if (!s.head_dim && s.dim && s.heads && *s.heads > 0) s.head_dim = *s.dim / *s.heads;
  s.experts =
      whole(file, {a + "expert_count", "n_routed_experts", "num_local_experts", "num_experts"});
  s.experts_used = whole(file, {a + "expert_used_count", "num_experts_per_tok"});
  const auto* tokens = texts(file, "tokenizer.ggml.tokens");
  s.vocab_size = whole(file, {a + "vocab_size", "vocab_size"});
  if (tokens) s.vocab_size = static_cast<int64_t>(tokens->size());
}

void read_types(const WeightFile& file, Summary& s) {
  uint64_t bytes = 0, elements = 0;
  for (const TensorInfo& t : file.tensors()) {
    const DTypeInfo& type = info(t.dtype);
    const uint64_t n = t.bytes.size() / static_cast<uint64_t>(type.block_bytes) *
                       static_cast<uint64_t>(type.block);
    TypeShare& share = s.types[t.dtype];
    ++share.tensors;
    share.elements += n;
    share.bytes += t.bytes.size();
    bytes += t.bytes.size();
    if (!t.name.ends_with("_scale_inv")) elements += n;
  }
  if (s.types.empty()) {
    s.quantization = word(file, {"quantization_config.quant_method", "dtype"});
    return;
  }
  const auto most = std::max_element(
      s.types.begin(), s.types.end(),
      [](const auto& a, const auto& b) { return a.second.elements < b.second.elements; });
  s.quantization = info(most->first).name;
  if (elements > 0)
    s.bits_per_weight = 8.0 * static_cast<double>(bytes) / static_cast<double>(elements);
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Whether Jinja source reads the variable `name`: as a word inside a {{ or {% tag and outside its
// texts.
bool reads_variable(std::string_view source, std::string_view name) {
  const auto wordy = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  bool tag = false;
  char quote = 0;
  for (size_t i = 0; i < source.size(); ++i) {
    const std::string_view rest = source.substr(i);
    if (!tag) {
      tag = rest.starts_with("{{") || rest.starts_with("{%");
    } else if (quote) {
      if (source[i] == '\\')
        ++i;
      else if (source[i] == quote)
        quote = 0;
    } else if (source[i] == '\'' || source[i] == '"') {
      quote = source[i];
    } else if (rest.starts_with("}}") || rest.starts_with("%}")) {
      tag = false;
    } else if (rest.starts_with(name) && !wordy(source[i - 1]) && source[i - 1] != '.' &&
               (rest.size() == name.size() || !wordy(rest[name.size()]))) {
      return true;
    }
  }
  return false;
}

bool vocabulary_has(const WeightFile& file, std::string_view token) {
  if (const auto* tokens = texts(file, "tokenizer.ggml.tokens")) {
    return std::find(tokens->begin(), tokens->end(), token) != tokens->end();
  }
  constexpr std::string_view kAdded = "tokenizer_config.added_tokens_decoder.";
  return std::any_of(file.metadata().begin(), file.metadata().end(), [&](const auto& kv) {
    const auto* text = std::get_if<std::string>(&kv.second);
    return text && *text == token && kv.first.starts_with(kAdded) && kv.first.ends_with(".content");
  });
}

void judge_capabilities(const WeightFile& file, Summary& s) {
  s.chat = s.chat_template.has_value();
  const std::string_view source = s.chat ? std::string_view(*s.chat_template) : std::string_view();
  s.tools = reads_variable(source, "tools");
  s.thinking = contains(source, "</think>") || contains(source, "<think>") ||
               (vocabulary_has(file, "<think>") && vocabulary_has(file, "</think>"));
}

std::string first_line(std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front())))
      line.remove_prefix(1);
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())))
      line.remove_suffix(1);
    if (!line.empty()) return std::string(line.substr(0, 200));
  }
  return "";
}

// The value of `license:` in a README's front matter, the block between two lines of "---".
std::string licence_of_readme(std::string_view readme) {
  if (!readme.starts_with("---\n")) return "";
  readme = readme.substr(3, readme.find("\n---", 3) - 3);
  constexpr std::string_view kKey = "\nlicense:";
  const size_t at = readme.find(kKey);
  if (at == std::string_view::npos) return "";
  readme.remove_prefix(at + kKey.size());
  return first_line(readme.substr(0, readme.find('\n')));
}

Result<std::string> read_licence(const WeightFile& file) {
  std::string licence = word(file, {"general.license", "license"});
  if (!licence.empty()) return licence;
  R1_TRY(const auto readme, file.side_file("README.md", kReadmeLimit));
  licence = licence_of_readme(readme);
  if (!licence.empty()) return licence;
  R1_TRY(const auto text, file.side_file("LICENSE", kReadmeLimit));
  return first_line(text);
}

std::string own_name(const std::string& path) {
  std::filesystem::path p(path);
  if (p.filename() == "config.json") p = p.parent_path();
  if (!p.has_filename()) p = p.parent_path();  // "folder/"
  return p.filename().string();
}

}  // namespace

Result<Summary> summarize(const WeightFile& file) {
  Summary s;
  s.architecture = word(file, {"general.architecture", "model_type"});
  if (s.architecture.empty()) s.architecture = "unknown";
  s.name = word(file, {"general.name"});
  if (s.name.empty()) s.name = own_name(file.path());
  R1_TRY(s.licence, read_licence(file));
  if (const auto count = count_parameters(file)) s.parameters = *count;
  read_shape(file, s);
  read_types(file, s);
  R1_TRY(s.chat_template, chat_template_source(file));
  judge_capabilities(file, s);
  return s;
}

}  // namespace r1
