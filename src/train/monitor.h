// What a run shows while it runs and leaves in its folder: metrics.jsonl, TensorBoard's events,
// samples.jsonl, a live view of the terminal or one line a step, and warnings when a figure leaves
// its healthy range. A killed run loses at most the step under way.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "train/metrics.h"

namespace r1 {

// A measurement between two steps, of problems that are never trained on. Its values are written
// as metrics: "eval/pass@1", with the bounds of its interval as "eval/pass@1/low" and "/high".
struct Evaluation {
  struct Value {
    std::string name;  // "pass@1", "cons@16", "greedy", "loss"
    double value = 0;
    double low = 0, high = 0;  // of the 95 % interval; both equal to value where none is known
  };
  int64_t step = 0;           // after how many steps
  double wall_time = 0;       // seconds since 1970
  std::vector<Value> values;  // the first one is what the view and the report put in front
};

// One answer that a person may read.
struct RunSample {
  int64_t step = 0;
  bool held_out = false;  // of an evaluation; its prompts return, so that thoughts can be compared
  std::string prompt, completion;
  double reward = 0;
  int64_t tokens = 0;
  bool capped = false;  // cut off at the limit
};

enum class View : uint8_t {
  kNone,
  kPlain,  // one line a step
  kLive,   // a block of lines redrawn in place; for a terminal with escape codes
};

class Monitor {
 public:
  struct Options {
    std::string folder;       // made if it does not exist
    std::string title;        // "grpo countdown3"
    int64_t total_steps = 0;  // 0: unknown, no estimate of the end
    // Steps done so far (the checkpoint's). What the files hold beyond is cut off before anything
    // is added, each file whole or not at all; at 0 they begin anew.
    int64_t resume_step = 0;
    int64_t max_length = 0;  // tokens an answer may have; 0: unknown
    // For the report: "seed" -> "1", "model" -> its path and hash, "machine" -> ...
    std::vector<std::pair<std::string, std::string>> environment = {};
    View view = View::kPlain;
    std::function<int()> width = {};  // columns of the terminal, asked at every redraw; none: 80
    std::function<void(std::string_view)> print;  // gets the view's bytes; none: nothing is shown
  };

  // Refuses a folder whose files cannot be written.
  static Result<std::unique_ptr<Monitor>> open(Options options);
  ~Monitor();

  // Steps come in ascending order, each once; an evaluation or a sample of step s comes before
  // step s + 1. Every call has reached the files when it returns. An evaluation that the files
  // have from before an interruption is not written again.
  Result<void> step(const Metrics& metrics);
  Result<void> evaluation(const Evaluation& evaluation);
  Result<void> sample(const RunSample& sample);
  // A line of the run itself ("checkpoint step-40 saved"), kept above the live view.
  void note(std::string_view text);

  // Ends the view (the last block stays) and writes report.html. May be called once; a run that is
  // destroyed without it has all its files but the report.
  Result<void> finish();

 private:
  struct Impl;
  explicit Monitor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace r1
