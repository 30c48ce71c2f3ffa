// Lines of training data: any bytes are an example whose ids the model knows, or an error.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "train/dataset.h"

namespace {

const r1::Tokenizer& tokenizer() {
  static const r1::Tokenizer kTokenizer = [] {
    static std::vector<std::string> texts = {"<s>",     "<|end|>", "<|user|>",
                                             "<|bot|>", "<think>", "</think>"};
    for (char c = 33; c < 127; ++c) texts.emplace_back(1, c);
    r1::VocabSpec spec;
    spec.model = "gpt2";
    spec.pre = "gpt-2";
    spec.tokens.assign(texts.begin(), texts.end());
    for (size_t i = 0; i < texts.size(); ++i)
      spec.kinds.push_back(i < 6 ? r1::TokenKind::kControl : r1::TokenKind::kNormal);
    spec.bos = 0;
    spec.eos = 1;
    return *r1::Tokenizer::from_vocab(spec);
  }();
  return kTokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  static const r1::ChatTemplate kTemplate = *r1::ChatTemplate::parse(
      "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
      "{% if add_generation_prompt %}<|assistant|>{% endif %}");
  const std::string_view line(reinterpret_cast<const char*>(data) + 1, size - 1);
  const r1::DatasetOptions options{.tokenizer = &tokenizer(),
                                   .chat_template = &kTemplate,
                                   .turns = static_cast<r1::Turns>(data[0] % 3),
                                   .max_tokens = 40,
                                   .too_long = static_cast<r1::TooLong>(data[0] / 3 % 4),
                                   .parse_special = data[0] > 127,
                                   .vocab_size = tokenizer().size()};
  const auto e = r1::parse_example(line, data[0], options);
  if (!e || e->empty()) return 0;
  const bool known =
      std::ranges::all_of(e->ids, [&](int32_t id) { return id >= 0 && id < options.vocab_size; });
  if (!known || e->ids.size() > 40 || e->wanted.size() != e->ids.size() || e->wanted[0] ||
      std::ranges::count(e->wanted, true) == 0) {
    __builtin_trap();
  }
  return 0;
}
