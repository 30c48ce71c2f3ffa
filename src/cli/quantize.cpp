// r1 quantize IN OUT --type T: a checkpoint as a GGUF file of smaller types.
#include "format/quantize.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <memory>

#include "base/clock.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/progress.h"

namespace r1 {

const char* const quantize_examples =
    "Examples:\n"
    "  r1 quantize model-bf16.gguf model-q4_k_m.gguf --type q4_k_m\n"
    "  r1 quantize ~/models/Qwen2.5-1.5B out.gguf --type q8_0     a Hugging Face folder\n"
    "  r1 quantize in.gguf out.gguf --type bf16 --force           replaces out.gguf\n";

namespace {

struct Options {
  std::string in, out, type = "q4_k_m";
  int threads = 0;
  bool force = false;
};

std::string type_help() {
  std::string help = "one of";
  for (const Mix& mix : all_mixes()) help += fmt::format("\n{:<7} {}", mix.name, mix.note);
  return help;
}

void print_summary(const Options& o, const QuantizeSummary& s, double seconds) {
  fmt::print("{}: {}, {} parameters, {:.2f} bits per weight, {}\n", o.out,
             format_bytes(s.file_bytes), format_count(s.parameters), s.bits_per_weight(),
             format_seconds(seconds));
  for (const auto& [type, share] : s.types) {
    fmt::print("  {:<6} {:>5} {:<7} {:>10}\n", info(type).name, share.tensors,
               share.tensors == 1 ? "tensor" : "tensors", format_bytes(share.bytes));
  }
  for (const auto& [types, names] : s.fallbacks) {
    const DTypeInfo &wanted = info(types.first), &written = info(types.second);
    fmt::print("  {} meant for {} fell back to {}, with rows of no multiple of {}: {}{}\n",
               names.size(), wanted.name, written.name, wanted.block, names.front(),
               names.size() > 1 ? ", ..." : "");
  }
}

Result<void> run(const Options& o) {
  R1_TRY(const Mix* mix, find_mix(o.type));
  if (o.threads < 0) return error("--threads {}: at least 1, or 0 for all cores", o.threads);
  std::error_code ignored;
  if (std::filesystem::equivalent(o.in, o.out, ignored))
    return error("{}: input and output are the same file", o.out);
  if (file_exists(o.out) && !o.force) return error("{} exists: --force replaces it", o.out);
  R1_TRY(const WeightFile in, WeightFile::open(o.in));
  const auto start = std::chrono::steady_clock::now();
  ThreadPool threads(o.threads > 0 ? o.threads : available_cores());
  std::optional<Progress> bar;
  const auto progress = [&](uint64_t done, uint64_t total) {
    if (!bar) bar.emplace(fmt::format("to {}", mix->name), total, ProgressUnit::kCount);
    bar->update(done);
  };
  auto summary = quantize(in, o.out, *mix, threads, progress);
  if (!summary) return std::move(summary).error().in(fmt::format("cannot quantize {}", o.in));
  if (bar) bar->finish();
  print_summary(o, *summary, seconds_since(start));
  return {};
}

}  // namespace

Run declare_quantize(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  app.add_option("IN", o->in,
                 "a GGUF file, or a Hugging Face folder of a llama, qwen2 or qwen3 model")
      ->required();
  app.add_option("OUT", o->out, "the GGUF file to write")->required();
  app.add_option("-t,--type", o->type, type_help())->capture_default_str();
  app.add_option("--threads", o->threads, "0: all cores")->capture_default_str();
  app.add_flag("-f,--force", o->force, "replace OUT if it exists");
  return [o] { return run(*o); };
}

}  // namespace r1
