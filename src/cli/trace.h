// What the verbs of r1 trace share.
#pragma once

#include <string>
#include <vector>

#include "serve/trace_log.h"
#include "serve/trace_view.h"

namespace r1 {

struct TraceOptions {
  std::string verb, file, since, older, out, head, format = "jsonl";
  std::vector<std::string> words;  // behind the verb: ids, or what is searched
  TraceFilter filter;
  std::string model_file;  // of replay
  int threads = 0;
  bool json = false, all = false;
};

std::string show_trace(const TraceLine& line);      // for a person at standard output
std::string trace_markdown(const TraceLine& line);  // for a file

// Runs them again; an error if any came out otherwise.
Result<void> replay_traces(TraceLog& log, const std::vector<int64_t>& ids,
                           const TraceOptions& options);

// The trace, or an error that says that there is none, or that it was erased.
Result<TraceLine> wanted_trace(TraceLog& log, int64_t id);

}  // namespace r1
