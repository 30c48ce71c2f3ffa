#include "infer/kv_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace r1 {
namespace {

KvPages small_pages(int32_t n) {
  auto pages = KvPages::create(
      {.n_layers = 1, .n_heads = 1, .k_dim = 1, .v_dim = 1, .dtype = DType::kF32}, n);
  EXPECT_TRUE(pages);
  return *pages;
}

// The fake computation of a position: its key is its token, its value its number.
void compute(KvPages& kv, const KvSequence& s, std::span<const int32_t> tokens, int64_t from) {
  for (auto p = static_cast<size_t>(from); p < tokens.size(); ++p) {
    const int32_t position = static_cast<int32_t>(p), page = s.pages[p / kKvPage];
    std::memcpy(kv.k(page, 0, 0) + p % kKvPage * 4, &tokens[p], 4);
    std::memcpy(kv.v(page, 0, 0) + p % kKvPage * 4, &position, 4);
  }
}

void expect_holds(const KvPages& kv, const KvSequence& s, std::span<const int32_t> tokens) {
  for (size_t p = 0; p < static_cast<size_t>(s.length); ++p) {
    int32_t token, position;
    std::memcpy(&token, kv.k(s.pages[p / kKvPage], 0, 0) + p % kKvPage * 4, 4);
    std::memcpy(&position, kv.v(s.pages[p / kKvPage], 0, 0) + p % kKvPage * 4, 4);
    ASSERT_EQ(token, tokens[p]) << "position " << p;
    ASSERT_EQ(position, static_cast<int32_t>(p));
  }
}

std::vector<int32_t> count_up(int32_t n, int32_t from = 0) {
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  for (int32_t i = 0; i < n; ++i) tokens[static_cast<size_t>(i)] = from + i;
  return tokens;
}

// Takes what is cached, computes the rest.
KvSequence run(PageCache& cache, std::span<const int32_t> tokens, int64_t* gained = nullptr) {
  KvSequence s;
  const int64_t n = cache.adopt(s, tokens.first(tokens.size() - 1));
  if (gained) *gained = n;
  EXPECT_TRUE(cache.reserve(s, std::ssize(tokens)));
  compute(cache.pages(), s, tokens, s.length);
  cache.commit(s, tokens);
  return s;
}

TEST(KvCache, CopiesThePageThatAnotherSequenceIsStillFilling) {
  PageCache cache(small_pages(4));
  const auto a = count_up(50), b = count_up(60);
  const KvSequence first = run(cache, a);
  KvSequence second;
  EXPECT_EQ(cache.adopt(second, b), 32);
  EXPECT_EQ(cache.adopt_tail(second, first, 32), 0) << "nothing more is shared";
  EXPECT_EQ(cache.adopt_tail(second, first, 45), 13);
  EXPECT_EQ(cache.adopt_tail(second, first, 60), 5) << "no more than the other has";
  EXPECT_EQ(second.length, 50);
  EXPECT_EQ(cache.usage().used, 3) << "one page copied, once";
  expect_holds(cache.pages(), second, b);
  KvSequence third, fourth;
  EXPECT_EQ(cache.adopt(third, b), 32);
  EXPECT_EQ(cache.adopt_tail(third, first, 50), 18);
  EXPECT_EQ(cache.adopt(fourth, b), 32);
  EXPECT_EQ(cache.adopt_tail(fourth, first, 50), 0) << "no page is left";
  EXPECT_EQ(fourth.length, 32);
}

TEST(KvCache, SharesFullPagesAndCopiesAPartlyMatchingOne) {
  PageCache cache(small_pages(8));
  const auto a = count_up(80);  // two full pages and half of one
  KvSequence first = run(cache, a);
  EXPECT_EQ(cache.usage().used, 3);

  auto b = a;
  b[50] = 999;  // differs in the second page
  int64_t gained = 0;
  KvSequence second = run(cache, b, &gained);
  EXPECT_EQ(gained, 50);
  EXPECT_EQ(second.pages[0], first.pages[0]);
  EXPECT_NE(second.pages[1], first.pages[1]);
  EXPECT_EQ(cache.usage().used, 5);
  expect_holds(cache.pages(), first, a);
  expect_holds(cache.pages(), second, b);

  cache.release(first, a);
  KvSequence third = run(cache, a, &gained);
  EXPECT_EQ(gained, 79)
      << "the half page of a finished sequence is found, all but the last position";
  expect_holds(cache.pages(), third, a);
  cache.release(second, b);
  cache.release(third, a);
  EXPECT_EQ(cache.usage().used, 0);
}

TEST(KvCache, TheSamePageComputedTwiceIsKeptOnce) {
  PageCache cache(small_pages(8));
  const auto tokens = count_up(64);
  KvSequence a, b;
  ASSERT_TRUE(cache.reserve(a, 64) && cache.reserve(b, 64));
  compute(cache.pages(), a, tokens, 0);
  compute(cache.pages(), b, tokens, 0);
  cache.commit(a, tokens);
  EXPECT_EQ(cache.usage().used, 4);
  cache.commit(b, tokens);
  EXPECT_EQ(a.pages, b.pages);
  EXPECT_EQ(cache.usage().used, 2);
}

TEST(KvCache, EvictsTheLeastRecentlyUsedAndNeverWhatIsUsed) {
  PageCache cache(small_pages(4));
  const auto a = count_up(33), b = count_up(33, 1000), c = count_up(33, 2000);
  KvSequence s = run(cache, a);
  cache.release(s, a);
  s = run(cache, b);
  cache.release(s, b);
  EXPECT_EQ(cache.usage().idle, 4);

  KvSequence held = run(cache, a);  // uses a again: now b is older
  KvSequence other = run(cache, c);
  int64_t gained = 0;
  expect_holds(cache.pages(), held, a);
  expect_holds(cache.pages(), other, c);
  KvSequence refused;
  EXPECT_FALSE(cache.reserve(refused, 1)) << "every page is used";
  EXPECT_TRUE(refused.pages.empty());
  cache.release(other, c);
  KvSequence again = run(cache, b, &gained);
  EXPECT_EQ(gained, 0) << "b was evicted";
}

TEST(KvCache, TruncatingNeverTouchesAFiledPage) {
  PageCache cache(small_pages(8));
  const auto a = count_up(70);
  KvSequence s = run(cache, a);
  cache.truncate(s, 66);
  EXPECT_EQ(s.length, 66);
  cache.truncate(s, 40);
  EXPECT_EQ(s.length, 32) << "the page of position 40 is filed: it is given back whole";
  EXPECT_EQ(s.pages.size(), 1u);
  auto b = a;
  b[40] = 7;
  ASSERT_TRUE(cache.reserve(s, 70));
  compute(cache.pages(), s, b, 32);
  cache.commit(s, b);
  expect_holds(cache.pages(), s, b);
  int64_t gained = 0;
  KvSequence t = run(cache, a, &gained);
  EXPECT_EQ(gained, 64);
  expect_holds(cache.pages(), t, a);
}

// Random sequences over a small alphabet of page contents, so that sharing, copying, eviction and
// refusal all happen; every page a sequence holds must always read back what it computed, and every
// page be accounted for.
TEST(KvCache, RandomOperationsKeepContentsAndAccounts) {
  constexpr int32_t kPages = 12;
  std::mt19937 random(7);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  PageCache cache(small_pages(kPages));
  struct Live {
    KvSequence kv;
    std::vector<int32_t> tokens;
  };
  std::vector<Live> live;
  int64_t adopted = 0, refused = 0;
  for (int turn = 0; turn < 20000; ++turn) {
    const int what = below(10);
    if (what < 3 && live.size() < 6) {
      Live s;
      const int n = 1 + below(150);
      int32_t phase = 0;
      for (int i = 0; i < n; ++i) {
        if (i % 16 == 0) phase = below(2);
        s.tokens.push_back(phase * 100 + i % 16);
      }
      live.push_back(std::move(s));
    } else if (!live.empty()) {
      const auto i = static_cast<size_t>(below(static_cast<int>(live.size())));
      Live& s = live[i];
      if (what < 8) {  // compute a chunk of what is pending
        if (s.kv.length == std::ssize(s.tokens)) s.tokens.push_back(below(2) * 100);
        adopted += cache.adopt(s.kv, std::span(s.tokens).first(s.tokens.size() - 1));
        const int64_t pending = std::ssize(s.tokens) - s.kv.length,
                      upto = s.kv.length + 1 + below(static_cast<int>(pending));
        if (!cache.reserve(s.kv, upto)) {
          ++refused;
          EXPECT_LT(cache.usage().available(), 6);
          cache.release(s.kv, s.tokens);
          continue;
        }
        const auto known = std::span(s.tokens).first(static_cast<size_t>(upto));
        compute(cache.pages(), s.kv, known, s.kv.length);
        cache.commit(s.kv, known);
      } else if (what == 8) {
        const auto keep = static_cast<int64_t>(1 + below(static_cast<int>(s.tokens.size())));
        s.tokens.resize(static_cast<size_t>(keep));
        cache.truncate(s.kv, keep);
      } else {
        cache.release(s.kv, s.tokens);
        EXPECT_TRUE(s.kv.pages.empty());
        live.erase(live.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    std::set<int32_t> used;
    for (const Live& s : live) {
      used.insert(s.kv.pages.begin(), s.kv.pages.end());
      ASSERT_NO_FATAL_FAILURE(expect_holds(cache.pages(), s.kv, s.tokens)) << "turn " << turn;
    }
    const auto usage = cache.usage();
    ASSERT_EQ(usage.used, std::ssize(used)) << "turn " << turn;
    ASSERT_EQ(usage.free + usage.used + usage.idle, kPages);
  }
  for (Live& s : live) cache.release(s.kv, s.tokens);
  EXPECT_EQ(cache.usage().used, 0);
  EXPECT_GT(adopted, 1000);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace r1
