// What graded answers say about a model: pass@1, cons@n, pass@n, with intervals. One code for the
// evaluation of a run in training and for `r1 eval` (law 3).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace r1 {

// One answer, graded.
struct Graded {
  bool right = false;
  // What votes under cons@n: equal answers have equal text (for Countdown the value of the
  // expression). Empty: no answer could be extracted; it does not vote.
  std::string vote;
  int64_t tokens = 0;
  bool capped = false;  // cut off at the limit
};

struct Estimate {
  double value = 0, low = 0, high = 0;  // with its 95 % interval
};

struct PassAtK {
  int64_t k = 1;
  Estimate share;
};

struct Score {
  int64_t problems = 0, samples = 0;  // samples: of each problem
  // pass@k, the chance that one of k answers to a problem is right, for k = 1, 2, 4 ... and n.
  std::vector<PassAtK> pass;
  Estimate cons_n;  // share of problems whose majority answer is right
  double mean_tokens = 0, capped = 0, unanswered = 0;  // the last two: shares of answers

  const Estimate& pass_1() const { return pass.front().share; }  // the share of right answers
  const Estimate& pass_n() const { return pass.back().share; }   // of problems ever solved
};

// answers: of problem 0, then of problem 1 ..., `samples` of each; answers.size() is a multiple of
// it and not 0. A majority is the vote with most answers; where several votes have most, cons@n
// counts the share of them that is right (the expectation of a fair draw among them).
// Intervals of 95 %: percentiles of 10,000 resamples of the problems, each with all its answers
// (answers to one problem are not independent, but a cluster: arXiv 2411.00640), drawn from a fixed
// seed. Where all problems have the value 0, or all 1, the bounds of Clopper and Pearson; where all
// have one other value, nothing is known of their spread: 0 ... 1.
Score score(std::span<const Graded> answers, int64_t samples);

// 1 - C(n - right, k) / C(n, k): the unbiased estimate of pass@k from n answers (arXiv 2107.03374).
double pass_at_k(int64_t n, int64_t right, int64_t k);

}  // namespace r1
