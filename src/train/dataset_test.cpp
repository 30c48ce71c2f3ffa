#include "train/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "tests/support/must.h"

namespace r1 {
namespace {

// Every ASCII character a token, and the control tokens of a chat.
const Tokenizer& tokenizer() {
  static const Tokenizer kTokenizer = [] {
    static std::vector<std::string> texts = {"<s>",     "<|end|>", "<|user|>",
                                             "<|bot|>", "<think>", "</think>"};
    const size_t n_control = texts.size();
    for (char c = 33; c < 127; ++c) texts.emplace_back(1, c);
    texts.emplace_back("\u0120");  // a space
    texts.emplace_back("\u010A");  // a line's end
    VocabSpec spec;
    spec.model = "gpt2";
    spec.pre = "gpt-2";
    spec.tokens.assign(texts.begin(), texts.end());
    for (size_t i = 0; i < texts.size(); ++i)
      spec.kinds.push_back(i < n_control ? TokenKind::kControl : TokenKind::kNormal);
    spec.bos = 0;
    spec.eos = 1;
    return must(Tokenizer::from_vocab(spec));
  }();
  return kTokenizer;
}

const ChatTemplate& chat_template() {
  static const ChatTemplate kTemplate = *ChatTemplate::parse(
      "<s>{% for m in messages %}{% if m.role == 'assistant' %}<|bot|>{{ m.content }}<|end|>\n"
      "{% else %}<|user|>{{ m.content }}\n{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}<|bot|>{% endif %}");
  return kTemplate;
}

DatasetOptions options() {
  DatasetOptions o;
  o.tokenizer = &tokenizer();
  o.chat_template = &chat_template();
  o.vocab_size = tokenizer().size();
  return o;
}

Example parsed(std::string_view line, const DatasetOptions& o = options()) {
  return must(parse_example(line, 0, o));
}

void expect_refused(std::string_view line, std::string_view reason,
                    const DatasetOptions& o = options()) {
  const auto e = parse_example(line, 0, o);
  ASSERT_FALSE(e) << line;
  EXPECT_NE(e.error().message.find(reason), std::string::npos) << e.error().message;
}

// What is wanted, as text, with "|" wherever something was not.
std::string wanted(const Example& e) {
  std::string text;
  bool gap = false;
  for (size_t i = 0; i < e.ids.size(); ++i) {
    if (e.wanted[i]) {
      text += (gap ? "|" : "") + std::string(tokenizer().bytes(e.ids[i]));
      gap = false;
    } else {
      gap = true;
    }
  }
  return text + (gap ? "|" : "");
}

TEST(Dataset, IdsAndTextsAreWantedButForTheFirst) {
  const Example ids = parsed(R"({"ids": [7, 3, 5]})");
  EXPECT_EQ(ids.ids, (std::vector<int32_t>{7, 3, 5}));
  EXPECT_EQ(ids.wanted, (std::vector<bool>{false, true, true}));
  const Example text = parsed(R"({"text": "ab<|end|>"})");
  EXPECT_EQ(tokenizer().decode(text.ids), "ab<|end|><|end|>");
  EXPECT_EQ(text.ids.size(), 2u + 7u + 1u);  // what is spelled is no control token
  DatasetOptions o = options();
  o.parse_special = true;
  EXPECT_EQ(parsed(R"({"text": "ab<|end|>"})", o).ids.size(), 2u + 1u + 1u);
}

constexpr const char* kTwoTurns = R"({"messages": [{"role": "user", "content": "a"},
  {"role": "assistant", "content": "<think>t</think>b"}, {"role": "user", "content": "c<|bot|>"},
  {"role": "assistant", "content": "d"}]})";

TEST(Dataset, OfAConversationTheChosenTurnsAreWantedUpToTheirEnd) {
  const Example e = parsed(kTwoTurns);
  EXPECT_EQ(tokenizer().decode(e.ids),
            "<s><|user|>a\n<|bot|><think>t</think>b<|end|>\n<|user|>c<|bot|>\n<|bot|>d<|end|>\n");
  EXPECT_EQ(wanted(e), "|<think>t</think>b<|end|>|d<|end|>|");
  EXPECT_EQ(std::ranges::count(e.ids, 3), 2);  // <|bot|> that the user spelled is text
  DatasetOptions o = options();
  o.turns = Turns::kLast;
  EXPECT_EQ(wanted(parsed(kTwoTurns, o)), "|d<|end|>|");
  o.turns = Turns::kAll;
  EXPECT_EQ(wanted(parsed(kTwoTurns, o)).find("|<|user|>a"), 0u);
}

TEST(Dataset, ATurnsTokensAreThoseAModelWouldHaveDrawn) {
  const Example e = parsed(
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})");
  auto drawn = tokenizer().encode("<s><|user|>a\n<|bot|>", true);
  const auto answer = tokenizer().encode("b<|end|>\n", true);
  drawn.insert(drawn.end(), answer.begin(), answer.end());
  EXPECT_EQ(e.ids, drawn);
}

TEST(Dataset, TemplatesThatWouldLoseAThoughtOrATurnAreRefused) {
  DatasetOptions o = options();
  // As DeepSeek-R1's does: thoughts of the past are cut off.
  const auto cuts = ChatTemplate::parse(
      "{% for m in messages %}{% if m.role == 'assistant' %}<|bot|>{{ "
      "m.content.split('</think>')[-1] }}<|end|>"
      "{% else %}<|user|>{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt "
      "%}<|bot|><think>\n{% endif %}");
  ASSERT_TRUE(cuts);
  o.chat_template = &*cuts;
  expect_refused(kTwoTurns, "leaves out the thought of message 1", o);
  const auto last = ChatTemplate::parse(
      "{% for m in messages %}{{ m.role if loop.last else '-' }}:{{ m.content }}<|end|>{% endfor %}"
      "{% if add_generation_prompt %}assistant:{% endif %}");
  ASSERT_TRUE(last);
  o.chat_template = &*last;
  expect_refused(kTwoTurns, "changes message 1 when another follows", o);
}

TEST(Dataset, AThoughtThatThePromptOpensBelongsToThePrompt) {
  DatasetOptions o = options();
  const auto opens = ChatTemplate::parse(
      "{% for m in messages %}{% if m.role == 'assistant' %}<|bot|>{{ m.content }}<|end|>{% else %}"
      "<|user|>{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt "
      "%}<|bot|><think>{% endif %}");
  ASSERT_TRUE(opens);
  o.chat_template = &*opens;
  EXPECT_EQ(wanted(parsed(R"({"messages": [{"role": "user", "content": "a"},
    {"role": "assistant", "content": "<think>t</think>b"}]})",
                          o)),
            "|t</think>b<|end|>");
}

TEST(Dataset, QuestionAndAnswerUnderNamesOfTheirOwn) {
  DatasetOptions o = options();
  o.prompt_field = "q";
  o.answer_field = "a";
  EXPECT_EQ(wanted(parsed(R"({"q": "x", "a": "y", "more": 1})", o)), "|y<|end|>|");
  expect_refused(R"({"q": "x"})", "no text \"a\"", o);
}

TEST(Dataset, BadLinesAreToldApart) {
  expect_refused("", "no JSON");
  expect_refused("{\"ids\": [1, 2]", "no JSON at byte");
  expect_refused("[1, 2]", "an object expected");
  expect_refused("{}", "one of \"messages\", \"text\" and \"ids\" expected");
  expect_refused(R"({"ids": [1, 2], "text": "x"})", "one of");
  expect_refused(R"({"ids": 5})", "a list of token ids expected");
  expect_refused(R"({"ids": [1, -2]})", "-2 is no token id");
  expect_refused(R"({"ids": [1, 102]})", "token 102: the model knows 102");
  expect_refused(R"({"ids": [1]})", "nothing in it is predicted");
  expect_refused(R"({"ids": []})", "nothing in it is predicted");
  expect_refused(R"({"text": 5})", "a text expected");
  expect_refused(R"({"messages": []})", "at least one message");
  expect_refused(R"({"messages": [{"content": "x"}]})", "message 0 has no role");
  expect_refused(R"({"messages": [{"role": "user", "content": "x"}]})", "no turn of the assistant");
  expect_refused(R"({"messages": [{"role": "assistant", "content": "x"}]})", "speaks first");
  DatasetOptions bare = options();
  bare.chat_template = nullptr;
  expect_refused(kTwoTurns, "no chat template", bare);
  bare.tokenizer = nullptr;
  expect_refused(R"({"text": "x"})", "no tokenizer", bare);
}

TEST(Dataset, WhatIsTooLongIsNeverCutSilently) {
  const char* line = R"({"ids": [10, 11, 12, 13, 14, 15]})";
  DatasetOptions o = options();
  o.max_tokens = 4;
  expect_refused(line, "6 tokens, above data.max_tokens 4", o);
  o.too_long = TooLong::kDrop;
  EXPECT_TRUE(parsed(line, o).empty());
  EXPECT_TRUE(parsed(line, o).cut);
  o.too_long = TooLong::kCut;
  EXPECT_EQ(parsed(line, o).ids, (std::vector<int32_t>{10, 11, 12, 13}));
  o.too_long = TooLong::kWindow;
  std::set<int32_t> begins;
  for (uint64_t key = 0; key < 50; ++key) {
    const auto e = parse_example(line, key, o);
    ASSERT_TRUE(e);
    ASSERT_EQ(e->ids.size(), 4u);
    EXPECT_FALSE(e->wanted[0]);
    EXPECT_TRUE(e->cut);
    begins.insert(e->ids[0]);
  }
  EXPECT_EQ(begins, (std::set<int32_t>{10, 11, 12}));
}

TEST(Dataset, FilesAreIndexedByLineAndErrorsSayWhere) {
  const std::string folder = testing::TempDir();
  const std::string a = folder + "/a.jsonl", b = folder + "/b.jsonl";
  ASSERT_TRUE(write_file(a, "{\"ids\": [1, 2]}\n\n  \n{\"ids\": [3, 4]}"));
  ASSERT_TRUE(write_file(b, "{\"ids\": [5, 6]}\nnonsense\n"));
  const std::vector<std::string> paths = {a, b};
  const auto set = open_jsonl(paths, options());
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ((*set)->size(), 4);
  EXPECT_EQ((*set)->example(1, 0)->ids, (std::vector<int32_t>{3, 4}));
  EXPECT_EQ((*set)->example(1, 0)->where, a + ":4");
  const auto bad = (*set)->example(3, 0);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message.find(b + ":2: \"nonsense\": no JSON"), 0u) << bad.error().message;
  ASSERT_TRUE(write_file(a, "\n"));
  EXPECT_FALSE(open_jsonl({&paths[0], 1}, options()));
  EXPECT_FALSE(open_jsonl(std::vector<std::string>{folder + "/absent"}, options()));
  // Parts of one order share nothing and leave nothing out.
  const std::shared_ptr<const Dataset> whole = *open_jsonl({&paths[1], 1}, options());
  std::set<std::string> places;
  for (const auto& [first, count] : {std::pair(0, 1), std::pair(1, 1)}) {
    const auto some = part(whole, 7, first, count);
    ASSERT_EQ(some->size(), 1);
    const auto e = some->example(0, 0);
    places.insert(e ? e->where : e.error().message.substr(0, b.size() + 2));
  }
  EXPECT_EQ(places, (std::set<std::string>{b + ":1", b + ":2"}));
}

TEST(Dataset, AShuffleIsAPermutationAndDiffersByEpochAndSeed) {
  for (const int64_t n : {1, 2, 3, 10, 64, 1000}) {
    std::set<int64_t> seen;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t x = shuffled(5, 0, n, i);
      ASSERT_TRUE(x >= 0 && x < n);
      seen.insert(x);
    }
    EXPECT_EQ(std::ssize(seen), n);
  }
  int same_epoch = 0, same_seed = 0, fixed = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    same_epoch += shuffled(5, 0, 1000, i) == shuffled(5, 1, 1000, i);
    same_seed += shuffled(5, 0, 1000, i) == shuffled(6, 0, 1000, i);
    fixed += shuffled(5, 0, 1000, i) == i;
  }
  EXPECT_LT(same_epoch, 10);
  EXPECT_LT(same_seed, 10);
  EXPECT_LT(fixed, 10);
}

}  // namespace
}  // namespace r1
