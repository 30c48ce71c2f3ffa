// Tokenizer from tokenizer.json (Hugging Face tokenizers 0.22, model BPE) and
// tokenizer_config.json.
#include <algorithm>

#include "text/byte_level.h"
#include "text/json_fields.h"
#include "text/tokenizer_json.h"
#include "text/tokenizer_model.h"

namespace r1 {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 8;  // sequences in sequences

// What the decoder does to a token's text.
struct Decoder {
  bool byte_level = false, byte_fallback = false, strip = false;
  std::string space;  // this text becomes a space
};

Result<void> read_decoder(const json& source, Decoder& decoder, int depth = 0) {
  if (source.is_null()) return {};
  if (depth > kMaxDepth) return error("decoder: sequences nested deeper than {}", kMaxDepth);
  R1_TRY(const std::string type, json_text(source, "type"));
  if (type == "Sequence") {
    const json* steps = json_field(source, "decoders");
    if (steps == nullptr || !steps->is_array()) return error("decoder: Sequence without its list");
    for (const json& step : *steps) R1_DO(read_decoder(step, decoder, depth + 1));
  } else if (type == "ByteLevel") {
    decoder.byte_level = true;
  } else if (type == "ByteFallback") {
    decoder.byte_fallback = true;
  } else if (type == "Fuse") {
  } else if (type == "Metaspace") {
    R1_TRY(decoder.space, json_text(source, "replacement", "\u2581"));
    R1_TRY(const bool prefix, json_bool(source, "add_prefix_space", true));
    R1_TRY(const std::string scheme,
           json_text(source, "prepend_scheme", prefix ? "always" : "never"));
    decoder.strip = scheme != "never";
  } else if (type == "Replace") {
    const json* pattern = json_field(source, "pattern");
    R1_TRY(decoder.space, json_text(pattern == nullptr ? source : *pattern, "String"));
    R1_TRY(const std::string content, json_text(source, "content"));
    if (decoder.space.empty() || content != " ") {
      return error("decoder: Replace is supported from a string to a space only");
    }
  } else if (type == "Strip") {
    R1_TRY(const std::string content, json_text(source, "content"));
    const json* start = json_field(source, "start");
    const json* stop = json_field(source, "stop");
    if (content != " " || start == nullptr || *start != 1 || stop == nullptr || *stop != 0) {
      return error("decoder: Strip is supported for one leading space only");
    }
    decoder.strip = true;
  } else {
    return error(
        "decoder: type \"{}\" is not supported (Sequence, ByteLevel, ByteFallback, Fuse, "
        "Metaspace, Replace, "
        "Strip are)",
        type);
  }
  return {};
}

// The post-processor tells only whether BOS comes first: encode adds nothing itself.
Result<void> read_post_processor(const json& source, std::string& first_token, int depth = 0) {
  if (source.is_null()) return {};
  if (depth > kMaxDepth) return error("post_processor: sequences nested deeper than {}", kMaxDepth);
  R1_TRY(const std::string type, json_text(source, "type"));
  if (type == "Sequence") {
    const json* steps = json_field(source, "processors");
    if (steps == nullptr || !steps->is_array())
      return error("post_processor: Sequence without its list");
    for (const json& step : *steps) R1_DO(read_post_processor(step, first_token, depth + 1));
  } else if (type == "TemplateProcessing") {
    const json* single = json_field(source, "single");
    if (single == nullptr || !single->is_array())
      return error("post_processor: single: a list expected");
    if (single->empty()) return {};
    if (const json* special = json_field(single->front(), "SpecialToken")) {
      R1_TRY(first_token, json_text(*special, "id"));
    }
  } else if (type != "ByteLevel") {
    return error(
        "post_processor: type \"{}\" is not supported (Sequence, TemplateProcessing, ByteLevel "
        "are)",
        type);
  }
  return {};
}

Result<void> check_model(const json& model) {
  R1_TRY(const std::string type, json_text(model, "type", "BPE"));
  if (type != "BPE") return error("model: type \"{}\" is not supported (BPE is)", type);
  const json* dropout = json_field(model, "dropout");
  if (dropout != nullptr && *dropout != 0)
    return error("model: dropout {} is not supported", dropout->dump());
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    R1_TRY(const std::string affix, json_text(model, name));
    if (!affix.empty()) return error("model: {} \"{}\" is not supported", name, affix);
  }
  for (const auto& [name, field] : model.items()) {
    static_cast<void>(field);
    const auto known = {"type",
                        "dropout",
                        "unk_token",
                        "continuing_subword_prefix",
                        "end_of_word_suffix",
                        "fuse_unk",
                        "byte_fallback",
                        "ignore_merges"};
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return error("model: the field \"{}\" is not supported", name);
    }
  }
  return {};
}

std::string with_spaces(std::string_view token, std::string_view mark) {
  std::string text(token);
  if (mark.empty()) return text;
  for (size_t at = 0; (at = text.find(mark, at)) != std::string::npos; ++at)
    text.replace(at, mark.size(), " ");
  return text;
}

class Builder {
 public:
  Builder(TokenizerJson source, TokenizerModel& model)
      : source_(std::move(source)), model_(model) {}

  Result<void> build() {
    R1_DO(check_model(source_.model));
    R1_TRY(model_.normalizer, Normalizer::parse(source_.normalizer));
    R1_TRY(model_.pretokenizer, PreTokenizer::parse(source_.pre_tokenizer));
    R1_DO(read_decoder(source_.decoder, decoder_));
    byte_level_ = model_.pretokenizer.byte_level();
    if (byte_level_ != decoder_.byte_level) {
      return error("pre_tokenizer and decoder disagree: one is ByteLevel, the other is not");
    }
    model_.strip_leading_space = decoder_.strip;
    R1_DO(add_tokens());
    return build_bpe();
  }

 private:
  Result<void> add_tokens() {
    size_t count = source_.tokens.size();
    for (const AddedToken& token : source_.added)
      count = std::max(count, static_cast<size_t>(token.id) + 1);
    source_.tokens.resize(count);
    model_.kinds.assign(count, TokenKind::kNormal);
    added_text_.assign(count, std::string_view());
    for (size_t id = 0; id < count; ++id) {
      if (source_.tokens[id].data() == nullptr) model_.kinds[id] = TokenKind::kUnused;
    }
    for (const AddedToken& token : source_.added) {
      const auto id = static_cast<size_t>(token.id);
      if (added_text_[id].data() != nullptr) {
        return error("added_tokens: \"{}\" and \"{}\" have the same id {}", added_text_[id],
                     token.text, id);
      }
      model_.kinds[id] = token.special ? TokenKind::kControl : TokenKind::kUserDefined;
      added_text_[id] = token.text;
      AddedToken added = token;
      if (token.normalized && (model_.normalizer.empty() || !token.control())) {
        added.text = model_.normalizer.apply(token.text);
        R1_DO(model_.added_normalized.add(std::move(added)));
      } else {
        R1_DO(model_.added.add(std::move(added)));
      }
    }
    return {};
  }

  // Keys are what merges speak of; pieces what ids stand for.
  Result<void> build_bpe() {
    const size_t count = source_.tokens.size();
    TextArena keys;
    keys.reserve(count, 16 * count);
    model_.pieces.reserve(count, 16 * count);
    std::vector<bool> indexed(count), emittable(count);
    Alphabet alphabet;
    alphabet.kind = byte_level_ ? Alphabet::Kind::kBytes : Alphabet::Kind::kCharacters;
    alphabet.bytes.fill(Vocab::kAbsent);
    std::string key;
    for (size_t id = 0; id < count; ++id) {
      const std::string_view token = source_.tokens[id];
      key.clear();
      // A literal token in a byte-level vocabulary is out of reach of the merges.
      const bool reachable =
          token.data() != nullptr && (!byte_level_ || append_spelled_bytes(token, key));
      if (key.empty()) key = token;
      keys.push(key);
      indexed[id] = reachable;
      emittable[id] = reachable && (model_.kinds[id] == TokenKind::kNormal ||
                                    model_.kinds[id] == TokenKind::kUserDefined);
      if (added_text_[id].data() != nullptr) {
        model_.pieces.push(added_text_[id]);
      } else if (decoder_.byte_fallback && is_byte_token(token)) {
        const auto byte =
            static_cast<unsigned char>(std::stoi(std::string(token.substr(3, 2)), nullptr, 16));
        model_.pieces.push(std::string(1, static_cast<char>(byte)));
        model_.kinds[id] = TokenKind::kByte;
        alphabet.bytes[byte] = static_cast<int32_t>(id);
        indexed[id] = emittable[id] = false;
      } else {
        model_.pieces.push(with_spaces(key, decoder_.space));
      }
    }
    Vocab vocab(std::move(keys), indexed);
    R1_TRY(Merges merges, build_merges(vocab, emittable));
    R1_TRY(alphabet.byte_fallback, json_bool(source_.model, "byte_fallback", false));
    R1_TRY(alphabet.fuse_unk, json_bool(source_.model, "fuse_unk", false));
    R1_TRY(const std::string unk, json_text(source_.model, "unk_token"));
    if (!unk.empty()) {
      alphabet.unk = vocab.find(unk);
      if (alphabet.unk == Vocab::kAbsent)
        return error("model: unk_token \"{}\" is not in the vocabulary", unk);
      model_.kinds[static_cast<size_t>(alphabet.unk)] = TokenKind::kUnknown;
    }
    if (byte_level_) {
      for (size_t byte = 0; byte < 256; ++byte) {
        alphabet.bytes[byte] = vocab.find(std::string(1, static_cast<char>(byte)));
      }
    }
    R1_TRY(const bool ignore_merges, json_bool(source_.model, "ignore_merges", false));
    model_.bpe =
        Bpe(std::move(vocab), std::move(merges), std::move(alphabet), emittable, ignore_merges);
    return {};
  }

  static bool is_byte_token(std::string_view token) {
    return token.size() == 6 && token.substr(0, 3) == "<0x" && token[5] == '>' &&
           token.substr(3, 2).find_first_not_of("0123456789ABCDEF") == std::string_view::npos;
  }

  Result<Merges> build_merges(const Vocab& vocab, const std::vector<bool>& emittable) {
    Merges merges(source_.merges.size());
    std::string joined;
    int32_t last = 0;
    for (size_t i = 0; i < source_.merges.size(); ++i) {
      const auto& [left, right] = source_.merges[i];
      joined.clear();
      const bool spelled = byte_level_ && append_spelled_bytes(left, joined);
      const size_t cut = spelled ? joined.size() : left.size();
      if (!spelled || !append_spelled_bytes(right, joined)) {
        if (byte_level_) {
          return error("model.merges: rule {} (\"{}\", \"{}\") is not in the byte alphabet", i,
                       left, right);
        }
        joined = left;
        joined += right;
      }
      const std::string_view text = joined;
      const int32_t a = vocab.find(text.substr(0, cut)), b = vocab.find(text.substr(cut));
      const int32_t ab = result_of(text, last, vocab, emittable);
      if (a == Vocab::kAbsent || b == Vocab::kAbsent || ab == Vocab::kAbsent) {
        return error(
            "model.merges: rule {} (\"{}\", \"{}\") names a token that is not in the vocabulary", i,
            left, right);
      }
      if (emittable[static_cast<size_t>(ab)]) merges.add(a, b, {static_cast<uint32_t>(i), ab});
      last = ab;
    }
    return merges;
  }

  // Vocabularies list tokens in the order of their rules: mostly the next id, or the same again,
  // spares the hash table a lookup.
  static int32_t result_of(std::string_view text, int32_t last, const Vocab& vocab,
                           const std::vector<bool>& emittable) {
    for (const auto id : {static_cast<size_t>(last) + 1, static_cast<size_t>(last)}) {
      if (id < vocab.size() && emittable[id] && vocab[id] == text) return static_cast<int32_t>(id);
    }
    return vocab.find(text);
  }

  TokenizerJson source_;
  TokenizerModel& model_;
  Decoder decoder_;
  bool byte_level_ = false;
  std::vector<std::string_view> added_text_;  // by id; data() == nullptr where none
};

// "bos_token": "<s>", or {"content": "<s>", …}, or null.
Result<std::optional<int32_t>> role(const json& config, const char* name,
                                    const TokenizerModel& model) {
  const json* field = json_field(config, name);
  if (field == nullptr) return std::optional<int32_t>();
  R1_TRY(const std::string text,
         field->is_object() ? json_text(*field, "content") : json_text(config, name));
  const std::optional<int32_t> id = model.find(text);
  if (!id) return error("tokenizer_config.json: {} \"{}\" is not in the vocabulary", name, text);
  return id;
}

Result<void> read_config(std::string_view text, const std::string& first_token,
                         TokenizerModel& model) {
  if (!first_token.empty()) model.bos = model.find(first_token);
  model.add_bos = !first_token.empty();
  if (text.empty()) return {};
  const json config = json::parse(text, nullptr, false);
  if (!config.is_object()) return error("tokenizer_config.json: not a JSON object");
  R1_TRY(const auto bos, role(config, "bos_token", model));
  if (bos) model.bos = bos;
  R1_TRY(model.eos, role(config, "eos_token", model));
  R1_TRY(model.pad, role(config, "pad_token", model));
  R1_TRY(model.add_bos, json_bool(config, "add_bos_token", model.add_bos));
  model.add_bos = model.add_bos && model.bos.has_value();
  return {};
}

}  // namespace

Result<Tokenizer> Tokenizer::from_json(std::string_view json, std::string_view config) {
  R1_TRY(TokenizerJson source, parse_tokenizer_json(json));
  R1_TRY(const std::string first, [&]() -> Result<std::string> {
    std::string token;
    R1_DO(read_post_processor(source.post_processor, token));
    return token;
  }());
  auto impl = std::make_shared<Impl>();
  R1_DO(Builder(std::move(source), *impl).build());
  R1_DO(read_config(config, first, *impl));
  impl->collect_end_ids();
  Tokenizer tokenizer;
  tokenizer.impl_ = std::move(impl);
  return tokenizer;
}

}  // namespace r1
