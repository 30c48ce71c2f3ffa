// tokenizer.json and GGUF vocabularies, then the invariants of what they make.
// Input: a tokenizer.json, a NUL byte, a text. Or "V", a model and a pre-tokenizer name, tokens up
// to an empty line (each after the digit of its kind), merges, one a line; NUL; a text.
#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "text/stream_decoder.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace r1 {
namespace {

using nlohmann::json;

void require(bool condition) {
  if (!condition) __builtin_trap();
}

std::string_view take_line(std::string_view& rest) {
  const size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

Result<Tokenizer> from_lines(std::string_view rest) {
  VocabSpec spec;
  spec.model = take_line(rest);
  spec.pre = take_line(rest);
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    if (line.empty()) break;
    spec.kinds.push_back(static_cast<TokenKind>((line[0] & 7) % 6));
    spec.tokens.push_back(line.substr(1));
    spec.scores.push_back(-static_cast<float>(line.size() % 5));
  }
  while (!rest.empty()) spec.merges.push_back(take_line(rest));
  spec.bos = spec.unk = 0;
  return Tokenizer::from_vocab(spec);
}

// Every added token steers the model and has no flags that reach beyond its own text.
bool plain_added_tokens(const json& file) {
  for (const json& token : file.value("added_tokens", json::array())) {
    if (!token.value("special", false)) return false;
    for (const char* flag : {"single_word", "lstrip", "rstrip"}) {
      if (token.value(flag, false)) return false;
    }
  }
  return true;
}

// Bytes in, the same bytes out: byte-level without normalizer, and a token for each byte.
bool keeps_every_byte(const json& file, const Tokenizer& tokenizer) {
  if (file.contains("normalizer") && !file["normalizer"].is_null()) return false;
  const json pre = file.value("pre_tokenizer", json::object());
  if (pre.value("type", "") != "ByteLevel" || pre.value("add_prefix_space", true)) return false;
  for (int byte = 0; byte < 256; ++byte) {
    const auto id = tokenizer.find(std::string(1, static_cast<char>(byte)));
    if (!id || tokenizer.kind(*id) != TokenKind::kNormal) return false;
  }
  return true;
}

void check(const Tokenizer& tokenizer, std::string_view text, const json& file) {
  const std::string valid = replace_invalid(text);
  for (const bool special : {false, true}) {
    const auto ids = tokenizer.encode(valid, special);
    for (const int32_t id : ids) require(id >= 0 && id < tokenizer.size());
    const std::string decoded = tokenizer.decode(ids);
    StreamDecoder stream;
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.feed(tokenizer.bytes(id));
    streamed += stream.finish();
    const std::string whole = replace_invalid(decoded);
    require(streamed == whole || streamed == " " + whole);  // SentencePiece drops a leading space
    if (file.is_object() && plain_added_tokens(file) && keeps_every_byte(file, tokenizer)) {
      require(decoded == valid);
    }
  }
  if (!file.is_object() || !plain_added_tokens(file)) return;
  for (const int32_t id : tokenizer.encode(valid, false))
    require(tokenizer.kind(id) != TokenKind::kControl);
  require(tokenizer.encode(tokenizer.protect(text), true) == tokenizer.encode(valid, false));
}

}  // namespace
}  // namespace r1

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace r1;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(input.find('\0'), size);
  const std::string_view file = input.substr(0, cut);
  const std::string_view text = input.substr(std::min(cut + 1, size)).substr(0, 4096);
  const auto tokenizer =
      file.substr(0, 1) == "V" ? from_lines(file.substr(1)) : Tokenizer::from_json(file);
  if (!tokenizer) return 0;
  try {
    check(*tokenizer, text, json::parse(file, nullptr, false));
  } catch (const json::exception&) {
    // A field the loader does not read has another type than the invariants expect.
  } catch (const std::runtime_error&) {
    // The documented answer to a pattern that backtracks without end.
  }
  return 0;
}
