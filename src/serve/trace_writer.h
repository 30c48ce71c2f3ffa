// Writes traces from a thread of its own: who adds one waits for nothing, and is told when it is on
// the disk, or after a second in which it could not be written. One that could not stays in the
// queue and is tried again; while the queue is full no more should be asked.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "serve/trace.h"
#include "serve/trace_log.h"

namespace r1 {

class TraceWriter {
 public:
  using Failed = std::function<void(std::string_view message)>;
  using Done = std::function<void()>;

  // failed: told of each try that did not succeed, from the writer's thread.
  static Result<std::unique_ptr<TraceWriter>> start(const std::string& path, Failed failed);
  ~TraceWriter();  // writes what is left, or tells how many could not be

  void add(AnswerTrace trace, Done done);
  bool full() const;
  const std::string& path() const { return path_; }

  // The hash of a model's weights, taken now or known; it is kept for hash_of().
  Result<void> identify(const std::string& model);
  std::string hash_of(const std::string& model) const;

 private:
  struct Waiting {
    std::string content;  // of `trace`, once it was made
    std::optional<AnswerTrace> trace;
    Done done;
  };

  TraceWriter(TraceLog log, Failed failed);
  void work();
  Result<void> write(std::deque<Waiting>& batch);

  TraceLog log_;  // the worker's own
  const std::string path_;
  const Failed failed_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<Waiting> waiting_;
  std::map<std::string, std::string> hashes_;
  bool stop_ = false;
  std::thread worker_;
};

}  // namespace r1
