#include "serve/accounts.h"

#include <gtest/gtest.h>

#include "format/test_bytes.h"
#include "tests/support/must.h"

namespace r1 {
namespace {

constexpr int64_t kNow = 1'795'812'345;  // 2026-11-27
constexpr int64_t kDay = 86'400;

Ledger ledger_at(const std::string& path) { return must(Ledger::open(path)); }

TEST(Ledger, SumsSurviveTheProcess) {
  const TemporaryFolder folder;
  const Usage u{.requests = 1,
                .prompt_tokens = 10,
                .cached_tokens = 4,
                .thought_tokens = 3,
                .generated_tokens = 8,
                .nanos = 1234};
  {
    Ledger ledger = ledger_at(folder.path("usage.db"));
    ASSERT_TRUE(ledger.add("aa", "m1", "2026-11-26", u));
    ASSERT_TRUE(ledger.add("aa", "m1", "2026-11-27", u));
    ASSERT_TRUE(ledger.add("aa", "m1", "2026-11-27", u));
    ASSERT_TRUE(ledger.add("bb", "m2", "2026-11-27", u));
  }
  Ledger ledger = ledger_at(folder.path("usage.db"));
  EXPECT_EQ(*ledger.spent("aa", ""), 3 * 1234);
  EXPECT_EQ(*ledger.spent("aa", "2026-11-27"), 2 * 1234);
  EXPECT_EQ(*ledger.spent("cc", ""), 0);
  const auto days = *ledger.sums(Ledger::By::kDay, "", "");
  ASSERT_EQ(days.size(), 2u);
  EXPECT_EQ(days[1].name, "2026-11-27");
  EXPECT_EQ(days[1].usage.requests, 3);
  EXPECT_EQ(days[1].usage.prompt_tokens, 30);
  EXPECT_EQ(days[1].usage.cached_tokens, 12);
  EXPECT_EQ(days[1].usage.thought_tokens, 9);
  EXPECT_EQ(days[1].usage.generated_tokens, 24);
  const auto keys = *ledger.sums(Ledger::By::kKey, "", "2026-11-27");
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0].name, "aa");
  EXPECT_EQ(keys[0].usage.nanos, 2 * 1234);
  const auto models = *ledger.sums(Ledger::By::kModel, "bb", "");
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0].name, "m2");
}

TEST(Ledger, ServersShareOne) {
  const TemporaryFolder folder;
  Ledger a = ledger_at(folder.path("usage.db")), b = ledger_at(folder.path("usage.db"));
  ASSERT_TRUE(a.add("k", "m", "2026-11-27", {.nanos = 1}));
  ASSERT_TRUE(b.add("k", "m", "2026-11-27", {.nanos = 2}));
  EXPECT_EQ(*a.spent("k", ""), 3);
}

TEST(Accounts, ABudgetRefusesUntilItsPeriodEnds) {
  const TemporaryFolder folder;
  Accounts accounts({}, ledger_at(folder.path("usage.db")));
  Key key{.id = "k", .name = "me"};
  key.budget = *parse_budget("0.000002/day");  // two thousand nano-dollars
  EXPECT_FALSE(accounts.admit(key, true, kNow));
  EXPECT_EQ(accounts.charge("k", "m", {.requests = 1, .prompt_tokens = 3}, kNow), 1650);
  EXPECT_FALSE(accounts.admit(key, true, kNow));
  accounts.charge("k", "m", {.requests = 1, .prompt_tokens = 1}, kNow);
  const auto problem = accounts.admit(key, true, kNow);
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->status, 402);
  EXPECT_EQ(problem->message, "the budget of this key is used up: $0.0000022 of $0.000002 a day");
  EXPECT_FALSE(accounts.admit(key, false, kNow)) << "what costs nothing is allowed";
  EXPECT_FALSE(accounts.admit(key, true, kNow + kDay));
  key.budget.period = Budget::Period::kMonth;
  EXPECT_TRUE(accounts.admit(key, true, kNow + kDay));
  EXPECT_FALSE(accounts.admit(key, true, kNow + 10 * kDay));
  key.budget.period = Budget::Period::kEver;
  EXPECT_TRUE(accounts.admit(key, true, kNow + 1000 * kDay));
}

TEST(Accounts, WithoutALedgerABudgetCannotBeKept) {
  Accounts accounts;
  Key key{.id = "k", .name = "me"};
  EXPECT_FALSE(accounts.admit(key, true, kNow));
  key.budget = *parse_budget("5");
  const auto problem = accounts.admit(key, true, kNow);
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->status, 503);
}

TEST(Accounts, WhatCannotBeWrittenIsWrittenLater) {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  std::string failure;
  Accounts accounts({}, ledger_at(path), [&](std::string_view m) { failure = m; });
  Database other = *Database::open(path);
  ASSERT_TRUE(other.exec("ALTER TABLE usage RENAME TO gone"));
  Key key{.id = "k", .name = "me", .budget = *parse_budget("5")};
  accounts.charge("k", "m", {.requests = 1, .prompt_tokens = 1}, kNow);
  EXPECT_NE(failure.find("no such table: usage"), std::string::npos) << failure;
  const auto problem = accounts.admit(key, true, kNow);
  ASSERT_TRUE(problem) << "a budget that is not known was granted";
  EXPECT_EQ(problem->status, 503);
  ASSERT_TRUE(other.exec("ALTER TABLE gone RENAME TO usage"));
  EXPECT_FALSE(accounts.admit(key, true, kNow));
  EXPECT_EQ(*ledger_at(path).spent("k", ""), 550);
}

TEST(Accounts, RequestsAMinuteRefillEvenly) {
  Accounts accounts;
  const Key key{.id = "k", .name = "me", .requests_per_minute = 6};
  for (int i = 0; i < 6; ++i) EXPECT_FALSE(accounts.admit(key, false, kNow)) << i;
  const auto problem = accounts.admit(key, false, kNow);
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->status, 429);
  EXPECT_EQ(problem->retry_after, 10);
  EXPECT_EQ(problem->message, "this key may have 6 requests a minute: the next in 10 s");
  EXPECT_TRUE(accounts.admit(key, false, kNow + 9));
  EXPECT_FALSE(accounts.admit(key, false, kNow + 10));
  EXPECT_TRUE(accounts.admit(key, false, kNow + 10));
  EXPECT_FALSE(accounts.admit({.id = "other", .name = "o", .requests_per_minute = 6}, false, kNow));
  for (int i = 0; i < 6; ++i) EXPECT_FALSE(accounts.admit(key, false, kNow + 1000));
  EXPECT_TRUE(accounts.admit(key, false, kNow + 1000)) << "unused minutes are not saved up";
}

TEST(Accounts, TokensBeyondTheAllowanceAreWaitedFor) {
  Accounts accounts;
  const Key key{.id = "k", .name = "me", .tokens_per_minute = 600};
  EXPECT_FALSE(accounts.admit(key, true, kNow));
  accounts.charge("k", "m", {.prompt_tokens = 500, .generated_tokens = 400}, kNow);
  const auto problem = accounts.admit(key, true, kNow);
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->status, 429);
  EXPECT_EQ(problem->retry_after, 31);  // 300 over, 10 a second, and one to take
  EXPECT_FALSE(accounts.admit(key, false, kNow)) << "what asks no model takes no tokens";
  EXPECT_TRUE(accounts.admit(key, true, kNow + 30));
  EXPECT_FALSE(accounts.admit(key, true, kNow + 31));
}

}  // namespace
}  // namespace r1
