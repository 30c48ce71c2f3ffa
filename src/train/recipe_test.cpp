#include "train/recipe.h"

#include <gtest/gtest.h>

#include <set>

namespace r1 {
namespace {

constexpr const char* kMinimal = R"(
[run]
steps = 5
[model]
path = "m.gguf"
[data]
train = "d.jsonl"
)";

Result<Recipe> parse(const std::string& more, std::vector<std::string> set = {},
                     TrainKind kind = TrainKind::kSft) {
  return parse_recipe(kMinimal + more, "r.toml", kind, set);
}

void expect_refused(const Result<Recipe>& recipe, std::string_view reason) {
  ASSERT_FALSE(recipe) << reason;
  EXPECT_NE(recipe.error().message.find(reason), std::string::npos) << recipe.error().message;
}

TEST(Recipe, KeysHaveDefaultsAndTakeTheFilesValues) {
  const auto r = parse("[optimizer]\nlr = 1\nbeta2 = 0.5\n[schedule]\ndecay = 'cosine'\n");
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->run.steps, 5);
  EXPECT_EQ(r->run.out, "runs/r");
  EXPECT_EQ(r->data.train, std::vector<std::string>{"d.jsonl"});
  EXPECT_EQ(r->optimizer.lr, 1);
  EXPECT_EQ(r->optimizer.beta2, 0.5);
  EXPECT_EQ(r->optimizer.beta1, 0.9);
  EXPECT_EQ(r->schedule.decay, "cosine");
}

TEST(Recipe, WhatIsWrongIsNamedWithItsLineAndWhatWouldWork) {
  expect_refused(parse("[optimizer]\nlearning = 1\n"), "r.toml:9: optimizer.learning: no such key");
  expect_refused(parse("[optimizer]\nbeta_1 = 0.5\n"), "did you mean optimizer.beta1?");
  expect_refused(parse("[batch]\nlr = 0.5\n"), "did you mean optimizer.lr?");
  expect_refused(parse("[optimiser]\nlr = 0.5\n"), "did you mean optimizer.lr?");
  expect_refused(parse("steps = 4\n"), "data.steps: no such key; did you mean run.steps?");
  expect_refused(parse("[optimizer]\nlr = 'high'\n"), "must be a number, 0 ... 10");
  expect_refused(parse("[optimizer]\nlr = nan\n"), "must be a number, 0 ... 10");
  expect_refused(parse("[optimizer]\nlr = 11\n"), "optimizer.lr = 11: must be a number, 0 ... 10");
  expect_refused(parse("[batch]\nsequences = 1.5\n"), "must be a whole number, 1 ... 1048576");
  expect_refused(parse("[batch]\nsequences = 0\n"), "must be a whole number");
  expect_refused(parse("[{optimizer]\n"), "r.toml");
  expect_refused(parse("[model]\n"), "r.toml:8: ");  // a section twice
  expect_refused(parse("[schedule]\ndecay = 'cos'\n"), "must be one of constant, linear, cosine");
  expect_refused(parse("[checkpoint]\nevery = true\n"), "must be a whole number, at least 0");
  expect_refused(parse("[data.train]\n"), "r.toml:");
  expect_refused(parse("[optimizer.group]\nlr = 1\n"), "write [[optimizer.group]]");
  expect_refused(parse("[[optimizer.group]]\nlr = 1\n"), "optimizer.group.match");
  expect_refused(parse("", {"run.steps=0"}), "run.steps or run.minutes must say when it ends");
  expect_refused(parse("", {"model.config=x"}), "one of model.path and model.config");
  expect_refused(parse("", {"data.generator=x"}), "one of data.train and data.generator");
  expect_refused(parse("", {"run.steps=0", "run.minutes=1", "schedule.decay=linear"}),
                 "needs run.steps");
}

TEST(Recipe, OverridesWinAndTextsNeedNoQuotes) {
  const auto r = parse("[[optimizer.group]]\nmatch = ['*norm*']\nweight_decay = 0\n",
                       {"run.out=/tmp/a b", "optimizer.lr=1e-4", "data.train=[\"x\", \"y\"]",
                        "run.steps=7", "optimizer.group.0.lr=0.5", "optimizer.group.1.match=*bias",
                        "optimizer.group.1.frozen=true"});
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->run.out, "/tmp/a b");
  EXPECT_EQ(r->optimizer.lr, 1e-4);
  EXPECT_EQ(r->data.train, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(r->run.steps, 7);
  ASSERT_EQ(r->optimizer.groups.size(), 2u);
  EXPECT_EQ(r->optimizer.groups[0].lr, 0.5);
  EXPECT_EQ(r->optimizer.groups[0].match, std::vector<std::string>{"*norm*"});
  EXPECT_EQ(r->optimizer.groups[1].match, std::vector<std::string>{"*bias"});
  EXPECT_TRUE(r->optimizer.groups[1].frozen);
  expect_refused(parse("", {"run.stepz=7"}), "--set run.stepz=7: run.stepz: no such key");
  expect_refused(parse("", {"run.steps"}), "write section.key=value");
  expect_refused(parse("", {"run.steps=many"}), "run.steps = many: must be a whole number");
  expect_refused(parse("", {"run.steps=1\nx=2"}), "must be a whole number");
  expect_refused(parse("", {"optimizer.group.3.lr=1"}), "there are 0 groups");
  expect_refused(parse("", {"optimizer.group.lr=1"}), "a group by its number");
}

TEST(Recipe, ASectionOfOneKindCountsForItAlone) {
  const std::string both =
      "[optimizer]\nlr = 1\n[sft.optimizer]\nlr = 2\n[pretrain.run]\nsteps = 9\n";
  EXPECT_EQ(parse(both)->optimizer.lr, 2);
  EXPECT_EQ(parse(both)->run.steps, 5);
  EXPECT_EQ(parse(both, {}, TrainKind::kPretrain)->optimizer.lr, 1);
  EXPECT_EQ(parse(both, {}, TrainKind::kPretrain)->run.steps, 9);
  expect_refused(parse("[pretrain.optimizer]\nlr = -1\n"),
                 "optimizer.lr = -1");  // checked all the same
}

TEST(Recipe, EveryKeyIsNamedOnceAndSurvivesBeingWritten) {
  std::set<std::string_view> names;
  for (const RecipeKey& key : recipe_keys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_FALSE(key.doc.empty()) << key.name;
  }
  auto r = parse(
      "[[optimizer.group]]\nmatch = ['a', 'b*']\nlr = 0.1\n[[optimizer.group]]\nmatch = 'c'\n",
      {"run.out=quote \" slash \\ tab \t é"});
  ASSERT_TRUE(r) << r.error().message;
  r->optimizer.eps = 1.0 / 3e7;
  r->data.evaluate = {"e1", "e2"};
  const auto again = parse_recipe(to_toml(*r), "again", TrainKind::kSft);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(to_toml(*again), to_toml(*r));
  EXPECT_EQ(again->optimizer.eps, r->optimizer.eps);
  EXPECT_EQ(again->run.out, r->run.out);
  const auto bytes = parse("", {"run.out=\xff"});  // could not be read again
  ASSERT_FALSE(bytes);
  EXPECT_NE(bytes.error().message.find("must be UTF-8"), std::string::npos);
  EXPECT_EQ(again->optimizer.groups.size(), 2u);
  EXPECT_TRUE(check_same_run(*r, *again));
}

TEST(Recipe, ARunGoesOnUnlessAKeyThatMattersHasChanged) {
  const Recipe then = *parse("");
  EXPECT_TRUE(check_same_run(then, *parse("", {"run.steps=50", "checkpoint.every=3"})));
  const auto changed = check_same_run(then, *parse("", {"optimizer.lr=0.5"}));
  ASSERT_FALSE(changed);
  EXPECT_NE(
      changed.error().message.find("optimizer.lr was 0.001 when the run began and is 0.5 now"),
      std::string::npos)
      << changed.error().message;
  EXPECT_FALSE(check_same_run(then, *parse("[[optimizer.group]]\nmatch = 'x'\n")));
  EXPECT_FALSE(check_same_run(then, *parse("", {}, TrainKind::kPretrain)));
}

}  // namespace
}  // namespace r1
