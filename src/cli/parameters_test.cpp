#include "cli/parameters.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

Result<void> set(ParameterValues& values, std::string_view name, std::string_view value) {
  const Parameter* parameter = find_parameter(name);
  if (!parameter) return error("no parameter {}", name);
  return values.set(*parameter, value, name);
}

TEST(Parameters, LieOverTheModelsDefaults) {
  GenerateParams defaults;
  defaults.sampling.temperature = 0.7f;
  defaults.sampling.top_k = 20;
  ParameterValues values;
  ASSERT_TRUE(set(values, "temperature", "0.25"));
  ASSERT_TRUE(set(values, "max-tokens", "12"));
  ASSERT_TRUE(set(values, "stop", "###"));
  ASSERT_TRUE(set(values, "stop", "END"));
  ASSERT_TRUE(set(values, "logit_bias", "5=-1.5"));
  const ChatSettings s = values.over(defaults);
  EXPECT_FLOAT_EQ(s.generate.sampling.temperature, 0.25f);
  EXPECT_EQ(s.generate.sampling.top_k, 20);
  EXPECT_EQ(s.generate.max_tokens, 12);
  EXPECT_EQ(s.generate.stop, (std::vector<std::string>{"###", "END"}));
  EXPECT_EQ(s.generate.sampling.logit_bias, (std::vector<std::pair<int32_t, float>>{{5, -1.5f}}));
  EXPECT_FALSE(s.seed);
}

TEST(Parameters, LastValueCountsAndResetTakesItBack) {
  ParameterValues values;
  ASSERT_TRUE(set(values, "top_p", "0.5"));
  ASSERT_TRUE(set(values, "top_p", "0.9"));
  EXPECT_FLOAT_EQ(values.over({}).generate.sampling.top_p, 0.9f);
  values.reset(*find_parameter("top_p"));
  EXPECT_FLOAT_EQ(values.over({}).generate.sampling.top_p, GenerateParams{}.sampling.top_p);
}

TEST(Parameters, RefuseWhatIsOutOfRangeWithNameValueAndRange) {
  constexpr const char* kBad[][2] = {{"temperature", "-0.1"},
                                     {"temperature", "1e-5"},
                                     {"temperature", "nan"},
                                     {"temperature", "inf"},
                                     {"temperature", "1x"},
                                     {"temperature", ""},
                                     {"top_k", "-1"},
                                     {"top_k", "1.5"},
                                     {"top_p", "0"},
                                     {"top_p", "1.01"},
                                     {"min_p", "2"},
                                     {"repeat_penalty", "0.001"},
                                     {"presence_penalty", "101"},
                                     {"seed", "-1"},
                                     {"seed", "18446744073709551616"},
                                     {"max_tokens", "0"},
                                     {"max_tokens", "-2"},
                                     {"stop", ""},
                                     {"logit_bias", "5"},
                                     {"logit_bias", "-1=2"},
                                     {"logit_bias", "5=1001"},
                                     {"think_budget", "-2"},
                                     {"think_minimum", "-1"}};
  for (const auto& [name, value] : kBad) {
    ParameterValues values;
    const auto result = set(values, name, value);
    ASSERT_FALSE(result) << name << ' ' << value;
    EXPECT_NE(result.error().message.find(name), std::string::npos);
    EXPECT_NE(result.error().message.find(find_parameter(name)->range), std::string::npos);
    EXPECT_NE(result.error().message.find(*value ? value : "\"\""), std::string::npos);
  }
}

TEST(Parameters, SurviveJson) {
  ParameterValues values;
  ASSERT_TRUE(set(values, "temperature", "0.6"));
  ASSERT_TRUE(set(values, "seed", "18446744073709551615"));
  ASSERT_TRUE(set(values, "stop", "a\nb"));
  ASSERT_TRUE(set(values, "logit_bias", "7=100"));
  const auto json = values.to_json();
  EXPECT_EQ(
      json.dump(),
      R"({"temperature":0.6,"seed":18446744073709551615,"stop":["a\nb"],"logit_bias":["7=100"]})");
  const auto back = ParameterValues::from_json(json);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->to_json(), json);
}

TEST(Parameters, FromJsonRefusesUnknownNamesAndKinds) {
  for (const char* text : {R"({"heat": 1})", R"({"top_k": [1]})", R"({"top_k": {"a": 1}})",
                           R"([1])", R"({"top_p": null})"})
    EXPECT_FALSE(ParameterValues::from_json(nlohmann::ordered_json::parse(text))) << text;
}

TEST(Parameters, GoByTheNamesPeopleKnow) {
  EXPECT_EQ(find_parameter("num_predict"), find_parameter("max_tokens"));
  EXPECT_EQ(find_parameter("repeat_last_n"), find_parameter("penalty-last-n"));
  EXPECT_EQ(find_parameter(""), nullptr);
  EXPECT_EQ(find_parameter("heat"), nullptr);
}

}  // namespace
}  // namespace r1
