#include "infer/lookup.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/rng.h"

namespace r1 {
namespace {

using Ids = std::vector<int32_t>;

Ids guess(Lookup& lookup, uint64_t number, const Ids& tokens, int64_t most = 8) {
  Draft d;
  d.number = number;
  d.tokens = tokens;
  d.most = most;
  lookup.look(d);
  EXPECT_EQ(d.most, std::ssize(d.ids));
  return d.ids;
}

TEST(TokenHistory, FindsTheLongestMatchAndOfThoseTheLatest) {
  TokenHistory history;
  const auto random = [](uint64_t i) { return static_cast<int32_t>(4 * uniform(1, 2, i)); };
  Ids tokens;
  for (uint64_t i = 0; i < 3000; ++i) {
    tokens.push_back(random(i));
    history.append({&tokens.back(), 1});
    if (i < 3 || i > 40) continue;  // few enough that a chain is walked to its end
    TokenHistory::Match want;
    for (int64_t end = std::ssize(tokens) - 1; end > 0; --end) {
      int64_t n = 0;
      while (n < end && n < TokenHistory::kLongest &&
             tokens[static_cast<size_t>(end - 1 - n)] ==
                 tokens[tokens.size() - 1 - static_cast<size_t>(n)])
        ++n;
      if (n >= TokenHistory::kShortest && n > want.length) want = {n, end};
    }
    const auto got = history.find(tokens);
    EXPECT_EQ(got.length, want.length) << i;
    if (want.length > 0) {
      EXPECT_EQ(got.next, want.next) << i;
    }
  }
  EXPECT_GE(history.find(tokens).length, TokenHistory::kShortest);
}

TEST(Lookup, GoesOnAsTheTextDidBefore) {
  Lookup lookup;
  const Ids tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3};
  EXPECT_EQ(guess(lookup, 1, tokens), (Ids{4, 5, 6, 7, 8, 9, 1, 2}));
  EXPECT_EQ(guess(lookup, 1, {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4}, 2), (Ids{5, 6}));
  EXPECT_EQ(guess(lookup, 1, {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 40}), Ids{});
  EXPECT_EQ(guess(lookup, 2, {1, 2}), Ids{});
}

TEST(Lookup, ALoopGoesOn) {
  Lookup lookup;
  EXPECT_EQ(guess(lookup, 1, {9, 5, 6, 5, 6, 5}), (Ids{6, 5, 6, 5, 6, 5, 6, 5}));
  EXPECT_EQ(guess(lookup, 2, {7, 7, 7, 7}, 3), (Ids{7, 7, 7}));
}

TEST(Lookup, LongerMatchesAreSurer) {
  Lookup lookup;
  Ids tokens(40);
  std::iota(tokens.begin(), tokens.end(), 0);
  int last = -1;
  for (const int32_t n : {3, 4, 5, 6, 8, 12, 20, 32}) {
    Ids again = tokens;
    again.push_back(1000);
    again.insert(again.end(), tokens.begin(), tokens.begin() + n);
    Draft d;
    d.number = static_cast<uint64_t>(n);
    d.tokens = again;
    d.most = 1;
    lookup.look(d);
    EXPECT_EQ(d.grade, last + 1);
    last = d.grade;
  }
  EXPECT_EQ(last, kDraftGrades - 1);
}

TEST(Lookup, LooksIntoWhatOthersSaid) {
  Lookup lookup(64);
  const Ids prompt = {1, 2, 3}, said = {1, 2, 3, 10, 11, 12, 13, 14};
  EXPECT_EQ(guess(lookup, 2, prompt), Ids{});
  lookup.end(1, prompt, said);
  EXPECT_EQ(guess(lookup, 2, prompt), (Ids{10, 11, 12, 13, 14}));  // and not beyond its end
  lookup.end(3, prompt, Ids{1, 2, 3, 20, 21});
  EXPECT_EQ(guess(lookup, 2, prompt), (Ids{20, 21}));  // the latest
  EXPECT_EQ(guess(lookup, 4, {13, 14, 1}), Ids{});     // no match across two sequences
  for (uint64_t i = 5; i < 40; ++i) lookup.end(i, prompt, Ids{1, 2, 3, 30, 31, 32, 33});
  EXPECT_EQ(guess(lookup, 41, {10, 11, 12}), Ids{});  // forgotten in time
  Lookup alone(0);
  alone.end(1, prompt, said);
  EXPECT_EQ(guess(alone, 2, prompt), Ids{});
}

TEST(Lookup, ASequenceThatTookTokensBackIsReadAnew) {
  Lookup lookup(0);
  EXPECT_EQ(guess(lookup, 1, {1, 2, 3, 4, 9, 1, 2, 3}, 1), Ids{4});
  lookup.forget(1);
  EXPECT_EQ(guess(lookup, 1, {1, 2, 3, 5, 1, 2, 3}, 1), Ids{5});
}

}  // namespace
}  // namespace r1
