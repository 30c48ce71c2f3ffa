#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pattern.h"

#include <pcre2.h>

#include <algorithm>
#include <new>
#include <stdexcept>

#include "text/unicode.h"

namespace r1 {
namespace {

// Steps of one match. The patterns of published tokenizers take a few a character.
constexpr size_t kStepsPerByte = 16, kLeastSteps = 100'000, kMostSteps = 1'000'000'000;
constexpr uint32_t kHeapLimitKiB = 256 << 10;

const pcre2_code* code_of(const std::shared_ptr<const void>& code) {
  return static_cast<const pcre2_code*>(code.get());
}

struct State {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* limits = pcre2_match_context_create(nullptr);
  ~State() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
  }
};

}  // namespace

Result<Pattern> Pattern::build(std::string_view shown, const std::string& pcre) {
  int code = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* compiled = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(pcre.data()), pcre.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &at, nullptr);
  if (compiled == nullptr) {
    PCRE2_UCHAR reason[128];
    pcre2_get_error_message(code, reason, sizeof reason);
    return error("pattern \"{}\": {}", shown, reinterpret_cast<const char*>(reason));
  }
  // Where there is no JIT the interpreter gives the same matches.
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
  Pattern pattern;
  pattern.source_ = shown;
  pattern.code_ = std::shared_ptr<const void>(compiled, [](const void* p) {
    pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p)));
  });
  return pattern;
}

Result<Pattern> Pattern::compile(std::string_view regex) {
  R1_TRY(const std::string pcre, to_pcre(regex));
  return build(regex, pcre);
}

Result<Pattern> Pattern::literal(std::string_view text) {
  std::string pcre;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_char(text, at);
    pcre += fmt::format("\\x{{{:X}}}", c.code);
    at += c.length;
  }
  return build(text, pcre);
}

void Pattern::Matcher::Free::operator()(void* state) const { delete static_cast<State*>(state); }

Pattern::Matcher::Matcher(const Pattern& pattern) : pattern_(pattern), state_(new State) {
  auto* state = static_cast<State*>(state_.get());
  if (state->data == nullptr || state->limits == nullptr) throw std::bad_alloc();
  pcre2_set_heap_limit(state->limits, kHeapLimitKiB);
}

std::optional<Pattern::Span> Pattern::Matcher::find(std::string_view text, size_t from) {
  auto* state = static_cast<State*>(state_.get());
  const size_t steps = std::min(kLeastSteps + kStepsPerByte * text.size(), kMostSteps);
  pcre2_set_match_limit(state->limits, static_cast<uint32_t>(steps));
  const auto match = [&](uint32_t options) {
    return pcre2_match(code_of(pattern_.code_), reinterpret_cast<PCRE2_SPTR>(text.data()),
                       text.size(), from, options | PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY,
                       state->data, state->limits);
  };
  int found = match(0);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match(PCRE2_NO_JIT);  // the heap is larger
  if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (found < 0) {
    PCRE2_UCHAR reason[128];
    pcre2_get_error_message(found, reason, sizeof reason);
    throw std::runtime_error(
        fmt::format("the tokenizer's pattern \"{}\" failed on a text of {} bytes: {}",
                    pattern_.source_, text.size(), reinterpret_cast<const char*>(reason)));
  }
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(state->data);
  return Span{span[0], span[1]};
}

}  // namespace r1
