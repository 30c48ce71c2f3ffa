#include "eval/benchmark.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "text/jsonl.h"

namespace r1 {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostNumbers = 16;
constexpr int64_t kLargest = 1000000;

const Task& task(std::string_view name) {
  const auto found = find_task(name);
  R1_CHECK(found);
  return **found;
}

Item item_of(Problem problem) {
  Item item;
  item.question = problem.prompt;
  item.fields = {{"{nums}", fmt::format("[{}]", fmt::join(problem.numbers, ", "))},
                 {"{target}", std::to_string(problem.target)},
                 {"{problem}", problem.prompt}};
  item.problem = std::move(problem);
  return item;
}

Graded grade(const Task& of, const Item& item, std::string_view completion) {
  return {.right = of.reward(item.problem, completion) == 1,
          .vote = of.vote(item.problem, completion)};
}

// Held-out problems of a task of room grade; a file is read only where its form is known.
Result<std::vector<Item>> held_out_items(std::string_view name, const std::string* jsonl) {
  if (jsonl) return read_countdown(*jsonl);
  const ProblemSet set(task(name));
  std::vector<Item> items;
  for (size_t i = 0; i < set.n_held_out(); ++i) items.push_back(item_of(set.held_out(i)));
  return items;
}

Result<std::vector<Item>> own_items(std::string_view name, const std::string* jsonl) {
  if (jsonl) return error("{} has its own problems: leave the file out", name);
  return held_out_items(name, nullptr);
}

Result<std::vector<Item>> file_items(std::string_view name, const std::string* jsonl) {
  if (!jsonl) return error("{}: its problems are a file's: --problems FILE", name);
  R1_TRY(auto problems, task(name).read(*jsonl));
  std::vector<Item> items;
  for (Problem& problem : problems) items.push_back(item_of(std::move(problem)));
  return items;
}

constexpr Benchmark kBenchmarks[] = {
    {"countdown", "numbers make a target by + - * /; a file, or countdown3's held-out problems",
     [](const std::string* jsonl) { return held_out_items("countdown3", jsonl); },
     [](const Item& i, std::string_view c) { return grade(task("countdown3"), i, c); }},
    {"countdown3", "three numbers: the held-out problems",
     [](const std::string* jsonl) { return own_items("countdown3", jsonl); },
     [](const Item& i, std::string_view c) { return grade(task("countdown3"), i, c); }},
    {"countdown4", "four numbers: the held-out problems",
     [](const std::string* jsonl) { return own_items("countdown4", jsonl); },
     [](const Item& i, std::string_view c) { return grade(task("countdown4"), i, c); }},
    {"arithmetic", "four numbers and + - *: the held-out problems",
     [](const std::string* jsonl) { return own_items("arithmetic", jsonl); },
     [](const Item& i, std::string_view c) { return grade(task("arithmetic"), i, c); }},
    {"linear", "a*x+b=c: the held-out problems",
     [](const std::string* jsonl) { return own_items("linear", jsonl); },
     [](const Item& i, std::string_view c) { return grade(task("linear"), i, c); }},
    {"gsm8k", "word problems: all of a file's",
     [](const std::string* jsonl) { return file_items("gsm8k", jsonl); },
     [](const Item& i, std::string_view c) { return grade(task("gsm8k"), i, c); }},
};

Result<Item> read_line(std::string_view line) {
  R1_TRY(const Json json, parse_jsonl_line(line));
  const auto nums = json.find("nums"), target = json.find("target");
  const auto whole = [](const Json& v) {
    return v.is_number_integer() && v >= -kLargest && v <= kLargest;
  };
  if (nums == json.end() || !nums->is_array() || nums->size() < 2 || nums->size() > kMostNumbers ||
      !std::all_of(nums->begin(), nums->end(), whole))
    return error("nums: a list of 2 to {} whole numbers within ±{} expected", kMostNumbers,
                 kLargest);
  if (target == json.end() || !whole(*target))
    return error("target: a whole number within ±{} expected", kLargest);
  return item_of(countdown_problem(nums->get<std::vector<int64_t>>(), target->get<int64_t>()));
}

}  // namespace

std::span<const Benchmark> benchmarks() { return kBenchmarks; }

Result<const Benchmark*> find_benchmark(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Benchmark& b : kBenchmarks) {
    if (b.name == name) return &b;
    names.push_back(b.name);
  }
  return error("no benchmark {}: there are {}", name, fmt::join(names, ", "));
}

Result<std::vector<Item>> read_countdown(std::string_view jsonl) {
  std::vector<Item> items;
  R1_DO(for_each_jsonl_line(jsonl, [&](std::string_view line, int64_t number) -> Result<void> {
    auto item = read_line(line);
    if (!item) return std::move(item).error().in(fmt::format("line {}", number));
    items.push_back(*std::move(item));
    return {};
  }));
  if (items.empty()) return error("no problem in it");
  return items;
}

Result<std::string> fill_prompt(std::string_view prompt, const Item& item) {
  std::string text;
  while (!prompt.empty()) {
    const size_t open = prompt.find('{');
    text += prompt.substr(0, open);
    if (open == std::string_view::npos) break;
    prompt.remove_prefix(open);
    const size_t end = prompt.find('}');
    const std::string_view word =
        end == std::string_view::npos ? prompt : prompt.substr(0, end + 1);
    const auto field = std::ranges::find(item.fields, word,
                                         [](const auto& f) { return std::string_view(f.first); });
    if (field == item.fields.end())
      return error("{}: a prompt may hold {{nums}}, {{target}} and {{problem}}", word);
    text += field->second;
    prompt.remove_prefix(word.size());
  }
  return text;
}

const std::string_view kTinyZeroPrompt =
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves "
    "it. The assistant first thinks about the reasoning process in the mind and then provides the "
    "user with the answer.\n"
    "User: Using the numbers {nums}, create an equation that equals {target}. You can use basic "
    "arithmetic operations (+, -, *, /) and each number can only be used once. Show your work in "
    "<think> </think> tags. And return the final answer in <answer> </answer> tags, for example "
    "<answer> (1 + 2) / 3 </answer>.\n"
    "Assistant: Let me solve this step by step.\n<think>";

}  // namespace r1
