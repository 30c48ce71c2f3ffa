// Tasks: families of verifiable problems. A task is a line of kTasks: its problems, who of them is
// never trained on, and an exact reward. Everything is a pure function of numbers, or of a file's
// text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace r1 {

struct Problem {
  std::string prompt;            // what the user says: "Use 1, 5, 8 to make 40."
  std::vector<int64_t> numbers;  // of the problem, as the prompt has them
  int64_t target = 0;            // to make, or the answer itself
};

struct Task {
  std::string_view name, summary;
  std::vector<Problem> (*problems)();  // all, in one order; null: they are lines of a file
  // Another problem of the same numbers in another order, by a number; null: their order matters.
  Problem (*reorder)(const Problem& problem, uint64_t seed, uint64_t i);
  double (*reward)(const Problem& problem, std::string_view completion);  // 1 right, else 0
  // What an answer votes for under cons@n (grade/score.h): for Countdown the value reached; "":
  // there is no answer. Votes that are equal are both right or both wrong.
  std::string (*vote)(const Problem& problem, std::string_view completion);
  // The problems of a file's text, JSONL; null where the task has its own.
  Result<std::vector<Problem>> (*read)(std::string_view jsonl) = nullptr;
};

std::span<const Task> tasks();
Result<const Task*> find_task(std::string_view name);  // the error lists the names

// A task's problems, parted by the rule of held_out() (countdown_problems.h): by their numbers in
// ascending order, so that no order or operator makes a problem of training out of a held-out one.
class ProblemSet {
 public:
  explicit ProblemSet(const Task& task) : ProblemSet(task, task.problems()) {}
  ProblemSet(const Task& task, std::vector<Problem> problems);

  const Task& task() const { return task_; }
  size_t n_training() const { return training_.size(); }
  size_t n_held_out() const { return held_out_.size(); }
  // Draw i of training under a seed: any problem, its numbers in any order.
  Problem training(uint64_t seed, uint64_t i) const;
  // Held-out problem i < n_held_out(), its numbers in a fixed order that i has drawn.
  Problem held_out(size_t i) const;

 private:
  const Task& task_;
  std::vector<Problem> training_, held_out_;
};

// "Use 1, 5, 8 to make 40."
Problem countdown_problem(std::vector<int64_t> numbers, int64_t target);

}  // namespace r1
