// report.html: what a run was, in one file that needs nothing else: figures as curves, answers to
// the same held-out problems before, during and after, behaviours, warnings, recipe, environment.
#pragma once

#include <string>

#include "base/error.h"
#include "train/run_files.h"

namespace r1 {

std::string report_html(const RunFiles& run);

// Reads the folder, writes its report.html, and returns where that is.
Result<std::string> write_report(const std::string& folder);

}  // namespace r1
