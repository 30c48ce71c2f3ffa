#include "serve/prices.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Prices, AreR1sUnlessToldOtherwise) {
  // A million of each: $0.14 + $0.55 + $2.19.
  const Usage u{
      .prompt_tokens = 2'000'000, .cached_tokens = 1'000'000, .generated_tokens = 1'000'000};
  EXPECT_EQ(Price().of(u), 2'880'000'000);
  EXPECT_EQ(Price().of({.prompt_tokens = 3, .cached_tokens = 1, .generated_tokens = 1}),
            140 + 2 * 550 + 2190);
  EXPECT_EQ(Price().of({}), 0);
}

TEST(Prices, SumsOfAnswersAreSumsOfTheirCosts) {
  Usage all;
  for (int i = 0; i < 1000; ++i) {
    Usage one{.requests = 1, .prompt_tokens = 7 + i, .cached_tokens = i % 7, .generated_tokens = i};
    one.nanos = Price().of(one);
    all += one;
  }
  EXPECT_EQ(all.nanos, Price().of(all));
}

TEST(Prices, AFileSaysThemByModel) {
  const auto table = PriceTable::parse(
      "[default]\ncache_hit = 0\noutput = 4\n[models.\"qwen-7b\"]\ncache_miss = 0.000001\n", "p");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(table->of("any").cache_hit, 0);
  EXPECT_EQ(table->of("any").cache_miss, 550'000);
  EXPECT_EQ(table->of("any").output, 4'000'000);
  EXPECT_EQ(table->of("qwen-7b").cache_miss, 1);
  EXPECT_EQ(table->of("qwen-7b").output, 4'000'000);
  // Half a nano-dollar: rounded to the nearest, once.
  EXPECT_EQ(table->of("qwen-7b").of({.prompt_tokens = 500}), 1);
  EXPECT_EQ(table->of("qwen-7b").of({.prompt_tokens = 499}), 0);
}

TEST(Prices, WrongFilesAreToldWithPlaceAndValue) {
  const auto told = [](std::string_view text) {
    const auto table = PriceTable::parse(text, "p.toml");
    return table ? "" : table.error().message;
  };
  EXPECT_EQ(told("[default]\ninput = 1\n"),
            "p.toml: default.input: no such price; cache_hit, cache_miss and output are");
  for (const char* wrong : {"-1", "1001", "0.0000001", "\"0.14\"", "nan", "inf", "true"})
    EXPECT_NE(
        told(std::string("[models.m]\noutput = ") + wrong).find("p.toml: models.m.output: doll"),
        std::string::npos)
        << wrong << told(std::string("[models.m]\noutput = ") + wrong);
  EXPECT_NE(told("[model.x]\n").find("model: no such section"), std::string::npos);
  EXPECT_NE(told("models = 1\n").find("models: tables"), std::string::npos);
  EXPECT_NE(told("default = 1\n").find("default: a table"), std::string::npos);
  EXPECT_NE(told("[default\n").find("p.toml:1"), std::string::npos) << told("[default\n");
}

TEST(Dollars, AreReadAndToldExactly) {
  EXPECT_EQ(*parse_dollars("5"), 5'000'000'000);
  EXPECT_EQ(*parse_dollars("$5.00"), 5'000'000'000);
  EXPECT_EQ(*parse_dollars("0.000000001"), 1);
  EXPECT_EQ(*parse_dollars("999999999.999999999"), 999'999'999'999'999'999);
  for (const char* wrong : {"", ".", "-1", "1,5", "1e3", "0.0000000001", "1000000000", "5 $", ".5"})
    EXPECT_FALSE(parse_dollars(wrong)) << wrong;
  EXPECT_EQ(format_dollars(0), "$0.00");
  EXPECT_EQ(format_dollars(1), "$0.000000001");
  EXPECT_EQ(format_dollars(5'500'000'000), "$5.50");
  EXPECT_EQ(format_dollars(12'345'678'000), "$12.345678");
}

TEST(Budgets, HaveAPeriod) {
  EXPECT_EQ(format_budget(*parse_budget("5")), "$5.00");
  EXPECT_EQ(format_budget(*parse_budget("0.5/day")), "$0.50 a day");
  EXPECT_EQ(format_budget(*parse_budget("20.00/month")), "$20.00 a month");
  EXPECT_FALSE(parse_budget("5/year"));
  EXPECT_FALSE(parse_budget("/day"));
  EXPECT_FALSE(Budget().limited());
  constexpr int64_t kNow = 1'795'812'345;  // 2026-11-27
  EXPECT_EQ(parse_budget("1")->since(kNow), "");
  EXPECT_EQ(parse_budget("1/day")->since(kNow), "2026-11-27");
  EXPECT_EQ(parse_budget("1/month")->since(kNow), "2026-11-01");
}

}  // namespace
}  // namespace r1
