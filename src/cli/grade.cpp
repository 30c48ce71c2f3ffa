// r1 grade TASK --jsonl: scores answers that somebody else has drawn, by the code that rewards in
// training.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/chat_options.h"
#include "cli/commands.h"
#include "eval/benchmark.h"
#include "grade/countdown.h"
#include "text/jsonl.h"

namespace r1 {

const char* const grade_examples =
    "Examples:\n"
    "  r1 grade countdown --jsonl answers.jsonl      {\"nums\": [1, 5, 8], \"target\": 40, "
    "\"completion\": \"...\"}\n"
    "  r1 grade countdown --jsonl < tinyzero.jsonl   {\"prompt\": ..., \"completion\": ..., "
    "\"ground_truth\": {\"target\": 65, \"numbers\": [...]}}\n"
    "\n"
    "A line gives a line: {\"score\": 1.0, \"right\": true, \"answer\": \"8*5*1\", \"vote\": "
    "\"40\"}. "
    "--scorer r1: 1 for a\n"
    "right answer, else 0; tinyzero: 1, or 0.1 for an answer that is not right, in the last line "
    "behind \"Assistant:\"\n"
    "of prompt and completion. auto takes tinyzero for lines with ground_truth, r1 for others.\n";

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kLineLimit = size_t{16} << 20;

struct Options {
  std::string task, jsonl = "-", scorer = "auto";
};

Result<std::string> text_of(const Json& json, const char* name, bool required) {
  const auto it = json.find(name);
  if (it == json.end() && !required) return std::string();
  if (it == json.end() || !it->is_string()) return error("{}: a text expected", name);
  return it->get<std::string>();
}

Result<Json> grade(const std::string& line, const Options& o) {
  R1_TRY(const Json json, parse_jsonl_line(line));
  const bool tinyzeros = json.contains("ground_truth");
  const Json& truth = tinyzeros ? json["ground_truth"] : json;
  if (!truth.is_object()) return error("ground_truth: an object expected");
  const Json problem = {{"nums", truth.value(tinyzeros ? "numbers" : "nums", Json())},
                        {"target", truth.value("target", Json())}};
  R1_TRY(const auto items, read_countdown(problem.dump()));
  R1_TRY(const std::string completion, text_of(json, "completion", true));
  R1_TRY(const std::string prompt, text_of(json, "prompt", false));
  const CountdownProblem p = {items[0].problem.numbers, items[0].problem.target};
  const bool as_tinyzero = o.scorer == "tinyzero" || (o.scorer == "auto" && tinyzeros);
  const double reward = countdown_reward(p, completion);
  const auto answer = last_answer(completion);
  return Json{{"score", as_tinyzero ? tinyzero_countdown_reward(p, prompt + completion) : reward},
              {"right", reward == 1},
              {"answer", answer ? Json(*answer) : Json()},
              {"vote", countdown_vote(p, completion)}};
}

Result<void> grade_lines(std::istream& in, const std::string& name, const Options& o) {
  std::string line;
  double sum = 0;
  int64_t graded = 0;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto score = line.size() > kLineLimit ? Result<Json>(error("longer than {} bytes", kLineLimit))
                                          : grade(line, o);
    if (!score) return std::move(score).error().in(fmt::format("{}, line {}", name, number));
    sum += (*score)["score"].get<double>();
    ++graded;
    fmt::print("{}\n", score->dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  if (graded == 0) return error("{}: no line to grade", name);
  fmt::print(stderr, "{} answers, mean score {:.4f}\n", graded, sum / static_cast<double>(graded));
  return {};
}

Result<void> run(const Options& o) {
  if (o.task != "countdown") return error("no grader {}: there is countdown", o.task);
  if (o.jsonl.empty() || o.jsonl == "-") return grade_lines(std::cin, "standard input", o);
  R1_TRY(const std::string text, read_file(o.jsonl, uint64_t{1} << 30));
  std::istringstream in(text);
  return grade_lines(in, o.jsonl, o);
}

}  // namespace

Run declare_grade(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  app.add_option("TASK", o->task, "countdown")->required()->type_name("");
  app.add_option("--jsonl", o->jsonl, "a file of answers; without a name, or -: standard input")
      ->expected(0, 1)
      ->type_name("FILE");
  add_choice(app, "--scorer", "auto|r1|tinyzero", "see below", [o](const std::string& v) {
    o->scorer = v;
    return v == "auto" || v == "r1" || v == "tinyzero";
  });
  return [o] { return run(*o); };
}

}  // namespace r1
