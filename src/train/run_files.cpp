#include "train/run_files.h"

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "text/jsonl.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kFileLimit = uint64_t{1} << 30;
constexpr size_t kLineLimit = size_t{4} << 20;
constexpr std::string_view kEval = "eval/";

// The lines of a JSONL file, which ends at \n only; an end without \n is a line that was cut.
template <class Take>
void for_each_line(std::string_view text, Take take) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    take(text.substr(0, end), end != std::string_view::npos);
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

Result<Json> parse_object(std::string_view line) {
  if (line.size() > kLineLimit)
    return error("{} bytes, a line has at most {}", line.size(), kLineLimit);
  return parse_jsonl_line(line);
}

Result<int64_t> step_of(const Json& json) {
  const auto it = json.find("step");
  if (it == json.end() || !it->is_number_integer() || *it < 0) return error("no step >= 0");
  return it->get<int64_t>();
}

template <class T>
Result<T> field(const Json& json, std::string_view name) {
  const auto it = json.find(name);
  if (it == json.end()) return T{};
  bool fits = false;
  if constexpr (std::is_same_v<T, bool>) fits = it->is_boolean();
  if constexpr (std::is_same_v<T, std::string>) fits = it->is_string();
  if constexpr (std::is_same_v<T, int64_t>) fits = it->is_number_integer();
  if constexpr (std::is_same_v<T, double>) fits = it->is_number();
  if (!fits) return error("{}: {} is of another type", name, it->dump());
  return it->template get<T>();
}

std::string dump(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

// The text of a file; "" where there is none.
Result<std::string> text_of(const std::string& path) {
  if (!file_exists(path)) return std::string();
  return read_file(path, kFileLimit);
}

std::string path_in(const std::string& folder, std::string_view file) {
  return (std::filesystem::path(folder) / file).string();
}

}  // namespace

Metrics to_metrics(const Evaluation& evaluation) {
  Metrics metrics{evaluation.step, evaluation.wall_time, {}};
  for (const auto& v : evaluation.values) {
    const std::string name = fmt::format("{}{}", kEval, v.name);
    metrics.values.emplace_back(name, v.value);
    if (v.low == v.value && v.high == v.value) continue;
    metrics.values.emplace_back(name + "/low", v.low);
    metrics.values.emplace_back(name + "/high", v.high);
  }
  return metrics;
}

bool is_evaluation(const Metrics& metrics) {
  return !metrics.values.empty() && metrics.values.front().first.starts_with(kEval);
}

std::string to_json_line(const RunSample& s) {
  return dump({{"step", s.step},
               {"held_out", s.held_out},
               {"reward", s.reward},
               {"tokens", s.tokens},
               {"capped", s.capped},
               {"prompt", s.prompt},
               {"completion", s.completion}});
}

Result<Metrics> parse_metrics(std::string_view line) {
  R1_TRY(const Json json, parse_object(line));
  Metrics metrics;
  R1_TRY(metrics.step, step_of(json));
  R1_TRY(metrics.wall_time, field<double>(json, "time"));
  for (const auto& [name, value] : json.items()) {
    if (name == "step" || name == "time") continue;
    if (!value.is_number() && !value.is_null()) return error("{}: no number", name);
    metrics.values.emplace_back(
        name, value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>());
  }
  return metrics;
}

Result<RunSample> parse_sample(std::string_view line) {
  R1_TRY(const Json json, parse_object(line));
  RunSample s;
  R1_TRY(s.step, step_of(json));
  R1_TRY(s.held_out, field<bool>(json, "held_out"));
  R1_TRY(s.reward, field<double>(json, "reward"));
  R1_TRY(s.tokens, field<int64_t>(json, "tokens"));
  R1_TRY(s.capped, field<bool>(json, "capped"));
  R1_TRY(s.prompt, field<std::string>(json, "prompt"));
  R1_TRY(s.completion, field<std::string>(json, "completion"));
  return s;
}

std::string to_json(const RunAbout& about) {
  Json environment = Json::object();
  for (const auto& [name, value] : about.environment) environment[name] = value;
  return dump({{"title", about.title},
               {"total_steps", about.total_steps},
               {"max_length", about.max_length},
               {"environment", environment}},
              2);
}

Result<RunAbout> parse_about(std::string_view text) {
  R1_TRY(const Json json, parse_object(text));
  RunAbout about;
  R1_TRY(about.title, field<std::string>(json, "title"));
  R1_TRY(about.total_steps, field<int64_t>(json, "total_steps"));
  R1_TRY(about.max_length, field<int64_t>(json, "max_length"));
  if (const auto it = json.find("environment"); it != json.end()) {
    if (!it->is_object()) return error("environment: no object");
    for (const auto& [name, value] : it->items())
      about.environment.emplace_back(name,
                                     value.is_string() ? value.get<std::string>() : value.dump());
  }
  return about;
}

Result<RunFiles> read_run(const std::string& folder) {
  RunFiles run;
  const auto read_lines = [&](std::string_view file, auto parse, auto& into) -> Result<void> {
    R1_TRY(const std::string text, text_of(path_in(folder, file)));
    for_each_line(text, [&](std::string_view line, bool whole) {
      auto parsed = parse(line);
      if (parsed && whole) {
        into.push_back(*std::move(parsed));
      } else {
        ++run.damaged_lines;
      }
    });
    return {};
  };
  const std::string metrics = path_in(folder, kMetricsFile);
  if (!file_exists(metrics))
    return error("{}: no {}: not the folder of a run", folder, kMetricsFile);
  R1_DO(read_lines(kMetricsFile, parse_metrics, run.metrics));
  R1_DO(read_lines(kSamplesFile, parse_sample, run.samples));
  R1_TRY(run.recipe, text_of(path_in(folder, "recipe.toml")));
  R1_TRY(const std::string about, text_of(path_in(folder, kAboutFile)));
  if (!about.empty()) {
    auto parsed = parse_about(about);
    if (!parsed) return std::move(parsed).error().in(path_in(folder, kAboutFile));
    run.about = *std::move(parsed);
  }
  return run;
}

Result<RunFiles> rewind_run(const std::string& folder, int64_t step) {
  RunFiles run;
  if (step > 0 && file_exists(path_in(folder, kMetricsFile))) {
    R1_TRY(run, read_run(folder));
    std::erase_if(run.metrics, [&](const Metrics& m) { return m.step > step; });
    std::set<int64_t> evaluated;
    for (const Metrics& m : run.metrics)
      if (is_evaluation(m)) evaluated.insert(m.step);
    std::erase_if(run.samples, [&](const RunSample& s) {
      return s.step > step || (s.held_out && !evaluated.contains(s.step));
    });
  }
  std::string metrics, samples;
  std::string events;
  for (const Metrics& m : run.metrics) {
    if (events.empty()) events = tensorboard_head(m.wall_time);
    metrics += to_json_line(m);
    events += tensorboard_record(m);
  }
  for (const RunSample& s : run.samples) samples += to_json_line(s);
  R1_DO(write_file(path_in(folder, kSamplesFile), samples));
  R1_DO(write_file(path_in(folder, kEventsFile), events));
  R1_DO(write_file(path_in(folder, kMetricsFile), metrics));
  return run;
}

}  // namespace r1
