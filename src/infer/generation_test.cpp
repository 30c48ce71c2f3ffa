#include "infer/generation.h"

#include <gtest/gtest.h>

#include <random>

namespace r1 {
namespace {

constexpr int32_t kEnd = 256;

// GPT-2's spelling of a byte in a byte-level vocabulary.
std::string spell(int byte) {
  const auto kept = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  int code = byte;
  if (!kept(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += !kept(b);
  }
  if (code < 128) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
}

// Every byte is a token; 256 ends a turn; with tags, 257 and 258 are <think> and </think>.
Tokenizer make_tokenizer(bool tags) {
  static std::vector<std::string> spellings;
  if (spellings.empty()) {
    for (int b = 0; b < 256; ++b) spellings.push_back(spell(b));
  }
  VocabSpec spec;
  spec.model = "gpt2";
  spec.pre = "default";
  spec.tokens.assign(spellings.begin(), spellings.end());
  spec.kinds.assign(256, TokenKind::kNormal);
  spec.tokens.push_back("<|end|>");
  spec.kinds.push_back(TokenKind::kControl);
  if (tags) {
    spec.tokens.insert(spec.tokens.end(), {"<think>", "</think>"});
    spec.kinds.insert(spec.kinds.end(), 2, TokenKind::kUserDefined);
  }
  spec.eos = kEnd;
  auto tokenizer = Tokenizer::from_vocab(spec);
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return *tokenizer;
}

// Plays a model that says given tokens, and keeps the sequence as the batcher would.
struct Talk {
  Talk(bool tags, std::string_view rendered, GenerateParams params, int64_t room = 1000,
       bool may_think = false)
      : tokenizer(make_tokenizer(tags)),
        generation(&tokenizer, rendered, params, room, std::vector<int32_t>{kEnd},
                   params.grammar ? std::optional(Constraint(params.grammar, tree(), {kEnd}))
                                  : std::nullopt,
                   may_think) {}

  // As the engine says: text, and what opens a thought.
  std::shared_ptr<const TokenTree> tree() const {
    return std::make_shared<TokenTree>(tokenizer.size(), [this](int32_t id) {
      const std::string_view bytes = tokenizer.bytes(id);
      return id == kEnd || bytes == kCloseThought ? "" : bytes;
    });
  }
  // What may be said next, of single bytes; "*": anything.
  std::string allowed(std::string_view guessed = "") {
    const auto mask = generation.mask(tokenizer.encode(guessed, true));
    if (!mask) return "*";
    std::string all;
    for (int32_t id = 0; id < tokenizer.size(); ++id)
      if (allows(*mask, id)) all += id == kEnd ? "$" : std::string(tokenizer.bytes(id));
    return all;
  }

  void say(int32_t id) {
    ASSERT_FALSE(reason) << "said after the end";
    Generation::Step step = generation.take({.id = id, .logprob = -1, .top = {}});
    ASSERT_LE(step.drop, std::ssize(sequence));
    sequence.resize(sequence.size() - static_cast<size_t>(step.drop));
    sequence.insert(sequence.end(), step.append.begin(), step.append.end());
    add(step.piece);
    reason = step.finished;
  }
  void say(std::string_view text) {
    for (const int32_t id : tokenizer.encode(text, true)) {
      if (!reason) say(id);
    }
  }
  void add(const Piece& piece) {
    if (piece.answer_was_thought) thought = std::exchange(answer, {});
    thought += piece.thought;
    answer += piece.answer;
    for (const auto& token : piece.tokens) reported.push_back(token.id);
  }
  std::string text() const { return tokenizer.decode(sequence); }

  Tokenizer tokenizer;
  Generation generation;
  std::vector<int32_t> sequence, reported;
  std::string thought, answer;
  std::optional<FinishReason> reason;
};

GenerateParams params() { return {}; }

GenerateParams within(const char* gbnf) {
  GenerateParams p;
  p.grammar = *gbnf_grammar(gbnf);
  return p;
}

TEST(Generation, AGrammarHoldsFromTheFirstTokenOfAModelThatDoesNotThink) {
  Talk talk(false, "Assistant:", within("root ::= \"a\" [bc] \"d\"?"));
  EXPECT_EQ(talk.allowed(), "a");
  talk.say("a");
  EXPECT_EQ(talk.allowed(), "bc");
  EXPECT_EQ(talk.allowed("b"), "d$");
  EXPECT_EQ(talk.allowed("bd"), "*") << "it has ended: nothing is drawn there";
  EXPECT_EQ(talk.allowed("x"), "*") << "the guess cannot hold: nothing that is drawn there counts";
  EXPECT_EQ(talk.allowed(), "bc") << "guesses change nothing";
  talk.say("bd");
  EXPECT_EQ(talk.reason, FinishReason::kStop) << "complete, and nothing may follow";
  EXPECT_EQ(talk.answer, "abd");
}

TEST(Generation, AGrammarBeginsWhereTheThoughtEnds) {
  for (const bool tags : {true, false}) {
    Talk talk(tags, "<think>\n", within("root ::= \"yes\" | \"no\""));
    for (const char* part : {"It is ", "no", "t yes", "."}) {
      EXPECT_EQ(talk.allowed(), "*");
      talk.say(part);
    }
    EXPECT_EQ(talk.allowed("</think>"), "\t\n\r ny");
    talk.say("</think>");
    EXPECT_EQ(talk.allowed(), "\t\n\r ny");
    talk.say("\n\nn");
    EXPECT_EQ(talk.allowed(), "o");
    talk.say("o");
    EXPECT_EQ(talk.thought, "It is not yes.");
    EXPECT_EQ(talk.answer, "no");
    EXPECT_EQ(talk.reason, FinishReason::kStop);
  }
}

TEST(Generation, AModelMayOpenAThoughtBeforeItKeepsToAGrammar) {
  for (const bool tags : {true, false}) {
    const GenerateParams p = within("root ::= \"4\"");
    Talk talk(tags, "Assistant:", p, 1000, true);
    EXPECT_EQ(talk.allowed(), tags ? "\t\n\r 4<<think>" : "\t\n\r 4<");
    talk.say("<think>");
    EXPECT_EQ(talk.allowed(), "*");
    talk.say("2+2</think>");
    EXPECT_EQ(talk.allowed(), "\t\n\r 4");
    talk.say("4");
    EXPECT_EQ(talk.thought, "2+2");
    EXPECT_EQ(talk.answer, "4");
    Talk at_once(tags, "Assistant:", p, 1000, true);
    at_once.say("4");
    EXPECT_EQ(at_once.answer, "4");
    EXPECT_EQ(at_once.reason, FinishReason::kStop);
  }
}

TEST(Generation, ABudgetsLandingLeadsToTheGrammar) {
  GenerateParams p = within("root ::= [0-9]+");
  p.think_budget = 3;
  Talk talk(true, "<think>\n", p);
  talk.say("abcd");
  EXPECT_EQ(talk.allowed(), "\t\n\r 0123456789");
  talk.say("12");
  EXPECT_EQ(talk.allowed(), "0123456789$");
  talk.say(kEnd);
  EXPECT_EQ(talk.answer, "12");
}

// A vocabulary in which one token ends the thought and begins the answer.
TEST(Generation, WhatATokenSaysAfterTheThoughtKeepsToTheGrammarOrIsTakenBack) {
  VocabSpec spec;
  spec.model = "gpt2";
  spec.pre = "default";
  std::vector<std::string> spellings;
  for (int b = 0; b < 256; ++b) spellings.push_back(spell(b));
  for (const char* more : {"</think>x", "</think>4", "</think>"}) spellings.emplace_back(more);
  spec.tokens.assign(spellings.begin(), spellings.end());
  spec.kinds.assign(spellings.size(), TokenKind::kNormal);
  const auto tokenizer = Tokenizer::from_vocab(spec);
  ASSERT_TRUE(tokenizer);
  const auto tree = std::make_shared<TokenTree>(tokenizer->size(),
                                                [&](int32_t id) { return tokenizer->bytes(id); });
  for (const auto& [id, text, next] :
       {std::tuple{256, "a</think>", '4'}, {257, "a</think>4", '2'}}) {
    Generation generation(&*tokenizer, "<think>\n", {}, 1000, {},
                          Constraint(*gbnf_grammar("root ::= \"42\""), tree, {}));
    std::vector<int32_t> sequence;
    for (const int32_t said : {static_cast<int32_t>('a'), id}) {
      const auto step = generation.take({.id = said, .logprob = 0, .top = {}});
      sequence.resize(sequence.size() - static_cast<size_t>(step.drop));
      sequence.insert(sequence.end(), step.append.begin(), step.append.end());
    }
    EXPECT_EQ(tokenizer->decode(sequence), text);
    const auto mask = generation.mask();
    ASSERT_TRUE(mask);
    EXPECT_TRUE(allows(*mask, next));
    EXPECT_FALSE(allows(*mask, 'x'));
  }
}

TEST(Generation, SplitsThoughtAndAnswerAndEnds) {
  for (const bool tags : {true, false}) {
    Talk talk(tags, "<think>\n", params());
    talk.say("Let me see.\n</think>\n\nIt is 4.");
    talk.say(kEnd);
    EXPECT_EQ(talk.thought, "Let me see.");
    EXPECT_EQ(talk.answer, "It is 4.");
    EXPECT_EQ(talk.reason, FinishReason::kStop);
    EXPECT_EQ(talk.generation.generated_tokens(), std::ssize(talk.sequence));
    EXPECT_GT(talk.generation.thought_tokens(), 12);
    EXPECT_LT(talk.generation.thought_tokens(), 22);
  }
}

TEST(Generation, ASpentBudgetClosesTheThoughtSoftly) {
  for (const bool tags : {true, false}) {
    GenerateParams p;
    p.think_budget = 5;
    Talk talk(tags, "<think>\n", p);
    talk.say("abcdefgh");  // the sixth is replaced, what follows is the answer
    talk.say(kEnd);
    EXPECT_EQ(talk.text(), "abcde\n</think>\n\ngh<|end|>");
    EXPECT_EQ(talk.thought, "abcde");
    EXPECT_EQ(talk.answer, "gh");
  }
}

TEST(Generation, AZeroBudgetThinksNothing) {
  GenerateParams p;
  p.think_budget = 0;
  Talk talk(true, "<think>\n", p);
  talk.say("xyes");
  EXPECT_EQ(talk.thought, "");
  EXPECT_EQ(talk.answer, "yes");
}

TEST(Generation, ABudgetNeverCutsATagOrACharacter) {
  GenerateParams p;
  p.think_budget = 4;
  Talk by_text(false, "<think>\n", p);
  by_text.say("ab</think>answer");  // the budget ends within the tag
  EXPECT_EQ(by_text.text(), "ab</think>answer");
  EXPECT_EQ(by_text.answer, "answer");

  Talk character(true, "<think>\n", p);
  character.say("abc\xE4\xBD\xA0xyz");  // within the fourth character
  EXPECT_EQ(character.thought, "abc\xE4\xBD\xA0");
  EXPECT_EQ(character.answer, "yz");
}

TEST(Generation, UnderTheMinimumAClosingTagIsTakenBack) {
  for (const bool tags : {true, false}) {
    GenerateParams p;
    p.think_minimum = 6;
    p.top_logprobs = 0;
    Talk talk(tags, "<think>\n", p);
    talk.say("abc</think>");
    EXPECT_EQ(talk.text(), "abc\nWait,");
    talk.say(" so</think>\n\nfour");
    talk.say(kEnd);
    EXPECT_EQ(talk.text(), "abc\nWait, so</think>\n\nfour<|end|>");
    EXPECT_EQ(talk.thought, "abc\nWait, so");
    EXPECT_EQ(talk.answer, "four");
    EXPECT_EQ(talk.reported, talk.sequence) << "the reported tokens are the sequence";
    EXPECT_EQ(talk.generation.generated_tokens(), std::ssize(talk.sequence));
  }
}

TEST(Generation, UnderTheMinimumAnEndIsNoEnd) {
  GenerateParams p;
  p.think_minimum = 10;
  Talk talk(false, "<think>\n", p);
  talk.say("ab</thi");
  talk.say(kEnd);
  EXPECT_EQ(talk.text(), "ab</thi\nWait,");
  talk.say("abcdef");
  talk.say(kEnd);
  EXPECT_EQ(talk.reason, FinishReason::kStop);
  EXPECT_EQ(talk.thought, "ab</thi\nWait,abcdef");
}

TEST(Generation, AMinimumHoldsOnlyWhereThereIsAThought) {
  GenerateParams p;
  p.think_minimum = 100;
  Talk talk(true, "Assistant:", p);
  talk.say("hi");
  talk.say(kEnd);
  EXPECT_EQ(talk.reason, FinishReason::kStop);
  EXPECT_EQ(talk.answer, "hi");

  Talk opened(true, "Assistant:", p);
  opened.say("<think>a</think>");
  EXPECT_EQ(opened.text(), "<think>a\nWait,");
}

TEST(Generation, AThoughtThatWasNeverOpenedIsTakenForOneAtItsEnd) {
  GenerateParams p;
  p.stop = {"hmm, STOP"};
  Talk talk(true, "Assistant:", p);
  talk.say("Let me see, hmm,");
  EXPECT_EQ(talk.answer, "Let me see, ");
  talk.say("\n</think>\n\nFour");
  talk.say(kEnd);
  EXPECT_EQ(talk.thought, "Let me see, hmm,\n");
  EXPECT_EQ(talk.answer, "Four");
  EXPECT_LT(talk.generation.thought_tokens(), talk.generation.generated_tokens());
  EXPECT_GT(talk.generation.thought_tokens(), 10);
}

TEST(Generation, StopStringsStopTheAnswerNotTheThought) {
  GenerateParams p;
  p.stop = {"END", "\n\n"};
  Talk talk(true, "<think>\n", p);
  talk.say("first END\n\nsecond</think>\n\nYes E");
  EXPECT_FALSE(talk.reason);
  EXPECT_EQ(talk.answer, "Yes ") << "what may begin a stop string is held";
  talk.say("ND more");
  EXPECT_EQ(talk.reason, FinishReason::kStop);
  EXPECT_EQ(talk.answer, "Yes ");
  EXPECT_EQ(talk.thought, "first END\n\nsecond");
}

TEST(Generation, LimitsAreToldApart) {
  GenerateParams p;
  p.max_tokens = 3;
  Talk length(true, "", p);
  length.say("abcd");
  EXPECT_EQ(length.reason, FinishReason::kLength);
  EXPECT_EQ(length.answer, "abc");
  Talk context(true, "", p, 2);
  context.say("abcd");
  EXPECT_EQ(context.reason, FinishReason::kContext);
  EXPECT_EQ(context.sequence.size(), 2u);
  p.think_budget = 1;
  p.max_tokens = 4;
  Talk forced(false, "<think>\n", p);  // the landing itself overruns
  forced.say("ab");
  EXPECT_EQ(forced.reason, FinishReason::kLength);
  EXPECT_EQ(forced.sequence.size(), 4u);
}

TEST(Generation, WorksOnIdsAlone) {
  GenerateParams p;
  p.top_logprobs = 0;
  p.max_tokens = 2;
  Generation g(nullptr, "", p, 100, {});
  EXPECT_EQ(g.take({.id = 7, .logprob = 0, .top = {}}).append, std::vector<int32_t>{7});
  const auto last = g.take({.id = 8, .logprob = 0, .top = {}});
  EXPECT_EQ(last.finished, FinishReason::kLength);
  EXPECT_EQ(last.piece.tokens.size(), 2u);
}

// Whatever is said under whatever budget: the reported tokens are the sequence, and the pieces are
// its text.
TEST(Generation, PiecesAlwaysAddUpToTheSequence) {
  std::mt19937 random(9);
  const std::vector<std::string> words = {"a",  "<",   "</",           "think>", "</think>",
                                          "\n", "ok ", "\xE4\xBD\xA0", "STOP",   ">"};
  for (int turn = 0; turn < 2000; ++turn) {
    GenerateParams p;
    p.top_logprobs = 0;
    if (random() % 2) p.think_budget = static_cast<int64_t>(random() % 30);
    if (random() % 2) p.think_minimum = static_cast<int64_t>(random() % 30);
    if (p.think_budget >= 0) p.think_minimum = std::min(p.think_minimum, p.think_budget);
    p.max_tokens = 1 + static_cast<int64_t>(random() % 120);
    Talk talk(random() % 2, random() % 2 ? "<think>" : "", p);
    while (!talk.reason) {
      talk.say(words[random() % words.size()]);
      if (!talk.reason && random() % 20 == 0) talk.say(kEnd);
    }
    ASSERT_EQ(talk.reported, talk.sequence) << "turn " << turn;
    ASSERT_EQ(talk.generation.generated_tokens(), std::ssize(talk.sequence));
    ASSERT_LE(std::ssize(talk.sequence), p.max_tokens);
    ASSERT_LE(talk.generation.thought_tokens(), talk.generation.generated_tokens());
    StreamDecoder decoder;  // the limit may have cut a character
    std::string shown = talk.thought + talk.answer, all = decoder.feed(talk.text());
    all += decoder.finish();
    const auto squeeze = [](std::string& s) {
      std::erase_if(s, [](char c) { return c == '\n' || c == ' '; });  // trimmed around tags
      for (size_t before = s.size() + 1; s.size() < before;) {  // one may come about by another
        before = s.size();
        for (const std::string_view tag : {"<think>", "</think>", "<|end|>"}) {
          if (const size_t at = s.find(tag); at != s.npos) s.erase(at, tag.size());
        }
      }
    };
    squeeze(all);
    squeeze(shown);
    ASSERT_EQ(shown, all) << "turn " << turn;
  }
}

}  // namespace
}  // namespace r1
