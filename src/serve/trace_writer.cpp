#include "serve/trace_writer.h"

#include <algorithm>
#include <iterator>

#include "serve/weight_hash.h"

namespace r1 {
namespace {

constexpr size_t kMostWaiting = 2048, kMostAtOnce = 256;
constexpr std::chrono::seconds kPatience(1);

}  // namespace

Result<std::unique_ptr<TraceWriter>> TraceWriter::start(const std::string& path, Failed failed) {
  R1_TRY(TraceLog log, TraceLog::open(path, kPatience));
  return std::unique_ptr<TraceWriter>(new TraceWriter(std::move(log), std::move(failed)));
}

TraceWriter::TraceWriter(TraceLog log, Failed failed)
    : log_(std::move(log)),
      path_(log_.path()),
      failed_(std::move(failed)),
      worker_([this] { work(); }) {}

TraceWriter::~TraceWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  worker_.join();
}

void TraceWriter::add(AnswerTrace trace, Done done) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({.content = "", .trace = std::move(trace), .done = std::move(done)});
  }
  wake_.notify_all();
}

bool TraceWriter::full() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() >= kMostWaiting;
}

Result<void> TraceWriter::identify(const std::string& model) {
  R1_TRY(TraceLog log, TraceLog::open(path_));
  R1_TRY(std::string hash, weight_hash(model, log));
  const std::lock_guard lock(mutex_);
  hashes_[model] = std::move(hash);
  return {};
}

std::string TraceWriter::hash_of(const std::string& model) const {
  const std::lock_guard lock(mutex_);
  const auto found = hashes_.find(model);
  return found == hashes_.end() ? "" : found->second;
}

Result<void> TraceWriter::write(std::deque<Waiting>& batch) {
  try {
    std::vector<std::string> contents;
    for (Waiting& w : batch) {
      if (w.trace) w.content = trace_content(*std::exchange(w.trace, std::nullopt));
      contents.push_back(w.content);
    }
    return log_.append(contents);
  } catch (const std::exception& e) {
    return error("{}", e.what());
  }
}

void TraceWriter::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const auto n = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMostAtOnce));
    std::deque<Waiting> batch(std::make_move_iterator(waiting_.begin()),
                              std::make_move_iterator(waiting_.begin() + n));
    waiting_.erase(waiting_.begin(), waiting_.begin() + n);
    const bool last_try = stop_;
    lock.unlock();
    const auto written = write(batch);
    for (Waiting& w : batch)
      if (const Done done = std::exchange(w.done, nullptr)) done();
    if (!written) failed_(written.error().message);
    lock.lock();
    if (written) continue;
    waiting_.insert(waiting_.begin(), std::make_move_iterator(batch.begin()),
                    std::make_move_iterator(batch.end()));
    if (last_try) {
      const size_t lost = waiting_.size();
      lock.unlock();
      return failed_(fmt::format("{} traces are lost", lost));
    }
    wake_.wait_for(lock, kPatience, [&] { return stop_; });
  }
}

}  // namespace r1
