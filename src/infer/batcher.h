// Runs many sequences on one model: a worker thread takes steps, each one forward that decodes
// every running sequence and prefills chunks of new ones (Orca's iteration-level scheduling, OSDI
// 2022; chunked prefill, arXiv 2308.16369). The batcher owns every queue and lock of the engine. By
// law 1 none of its choices, the order, the chunks, preemption or shared prefixes, changes a token.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "infer/draft_planner.h"
#include "infer/fair_share.h"
#include "infer/kv_cache.h"
#include "infer/sampling.h"
#include "infer/speculation.h"
#include "model/model.h"

namespace r1 {

// Who a sequence belongs to. Called from the worker thread only; must not call back into the
// batcher but for cancel().
class Sink {
 public:
  struct Next {
    int64_t drop = 0;  // ids taken back from the end of the sequence, never of the prompt
    std::vector<int32_t> append;  // ids that join it then: usually the drawn one
    bool done = false;
  };
  struct End {
    std::optional<Error> error;  // what failed, or nothing
    bool cancelled = false;
    int64_t cached_tokens = 0;  // of the prompt, taken from other sequences' pages
    double prefill_seconds = 0, decode_seconds = 0;
    int64_t drafted_tokens = 0, accepted_tokens = 0;  // by the speculator
    double plain_seconds = 0;  // what decode_seconds would have been without it, about
  };

  virtual ~Sink() = default;
  // A token was drawn for the next position of the sequence.
  virtual Next take(const Sampled& token) = 0;
  // The ids that may be drawn once `guessed` have been; null: any. Asked where the request says so,
  // by any thread, one at a time.
  virtual std::shared_ptr<const TokenMask> mask(std::span<const int32_t> /*guessed*/) {
    return nullptr;
  }
  // What the model's last layer says at a position of the prompt, after its norm [dim], in order;
  // from 0 again where the sequence had to make room and is computed anew.
  virtual void hidden(int64_t /*position*/, std::span<const float> /*values*/) {}
  // The last call, made once for every submitted request.
  virtual void end(const End& end) = 0;
};

struct Request {
  std::vector<int32_t> prompt;
  SamplingParams sampling;
  int n_top = -1;  // log-probabilities, as sample() takes it
  std::shared_ptr<Sink> sink;
  std::string owner = {};  // whose it is: of those who wait, the least served is next
  // Sampled::logprob is op log_probability of the model's own logits, bit for bit what a forward
  // that learns says of the token; n_top is -1.
  bool exact_logprob = false;
  bool masked = false;  // the sink's mask is asked for
  bool hidden = false;  // the sink hears the prompt's hidden states, and nothing is drawn
};

struct BatcherOptions {
  int64_t context = 0;    // tokens a sequence may have; at most the cache's capacity
  int32_t vocab = 0;      // ids that may be drawn; those above are padding rows
  int max_running = 256;  // sequences decoded together, while their pages fit
  int max_waiting = 512;  // requests in the queue; more are refused
  int64_t step_tokens =
      512;  // rows of a step, at most; fewer while steps take longer than step_seconds
  double step_seconds =
      0.5;  // what a cancellation or a running answer waits for somebody's prompt; 0: no limit
  int64_t longest_draft = kLongestDraft;  // ids guessed for one sequence in a step
  bool draft_always = false;              // as many as that, whether they pay or not
};

class Batcher {
 public:
  // model and ctx are used by the worker alone until the batcher is destroyed. speculator: may be
  // null.
  Batcher(const Model& model, Context& ctx, KvPages pages, const BatcherOptions& options,
          std::unique_ptr<Speculator> speculator = nullptr);
  ~Batcher();  // ends what is left as cancelled

  // The number to cancel it by. Refuses ids the model does not have, prompts that leave no room in
  // the context (with the counts), and more requests than the queue holds.
  Result<uint64_t> submit(Request request);
  void cancel(uint64_t number);  // takes effect within one step; a number already ended is ignored

  struct Load {  // as of the last step
    int64_t running = 0, waiting = 0, preemptions = 0, steps = 0;
    PageCache::Usage pages;
  };
  Load load() const;

 private:
  struct Sequence;
  struct Row;
  using Waiting = std::map<uint64_t, std::unique_ptr<Sequence>>;  // by number: as they came

  void work();
  bool collect();  // waits for work and takes over arrivals and cancellations; false: stop
  void step();
  void report();
  void admit();
  Waiting::iterator next();
  static int64_t shared_tokens(const Sequence& a, const Sequence& b);
  bool awaits_prefix(const Sequence& s) const;
  void adopt(Sequence& s);
  void make_room();
  std::vector<Draft> guess();
  Batch assemble(std::vector<Row>& rows, std::vector<Draft> drafts);
  Tensor forward(const Batch& batch, const std::vector<Row>& rows);
  void advance(std::vector<Row>& rows, const Tensor& logits);
  void follow(const Row& row, int64_t n_rows, std::span<const std::optional<Sampled>> drawn);
  enum class Fate { kEnded, kRewritten, kExtended };
  Fate accept(Sequence& s, const Sampled& token);
  void preempt_last();
  void finish(uint64_t number, std::optional<Error> failure, bool cancelled);
  void adapt(double took, int64_t n_rows);

  const Model& model_;
  Context& ctx_;
  const BatcherOptions options_;

  // The worker's own.
  PageCache cache_;
  Waiting waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // as they were admitted
  FairShare shares_;
  std::unique_ptr<Speculator> speculator_;
  DraftPlanner planner_;
  int64_t budget_;  // rows of the next step
  int64_t preemptions_ = 0, steps_ = 0;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  Waiting arrivals_;
  std::set<uint64_t> cancelled_;
  uint64_t next_number_ = 1;
  bool stop_ = false;
  Load load_;

  std::thread worker_;
};

}  // namespace r1
