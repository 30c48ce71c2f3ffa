// r1 fit [MODEL]: what of a model fits into memory, in which quantization, with how much context,
// and how fast it can be.
#include "infer/fit.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "format/parameters.h"
#include "format/weight_file.h"
#include "infer/memory.h"
#include "infer/speed.h"
#include "kernels/cpu.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

struct FitOptions {
  std::string model, memory, gpu, speculate;
  int64_t context = 0;
  double bandwidth = 0, disk = 3;
  bool json = false;
};

struct FitModel {
  ModelShape shape;
  std::optional<WeightFile> file;  // where it is one with weights
};

constexpr const char* kFamily[] = {
    "r1-distill-qwen-1.5b", "r1-distill-qwen-7b",   "r1-distill-llama-8b", "r1-distill-qwen-14b",
    "r1-distill-qwen-32b",  "r1-distill-llama-70b", "deepseek-r1"};

// A known shape's name, as people write it: "DeepSeek-R1-Distill-Qwen-7B".
std::string known_name(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (name.starts_with("deepseek-ai/")) name.erase(0, 12);
  return name.starts_with("deepseek-r1-") ? name.substr(9) : name;
}

Result<FitModel> find_model(const std::string& name) {
  std::error_code ignored;
  if (!std::filesystem::exists(name, ignored)) {
    auto shape = find_shape(known_name(name));
    if (!shape) return error("{}: no such file, and {}", name, shape.error().message);
    return FitModel{**shape, std::nullopt};
  }
  R1_TRY(WeightFile file, WeightFile::open(name));
  auto shape = read_shape(file);
  if (!shape) return std::move(shape).error().in(name);
  shape->name = std::filesystem::path(name).filename().string();
  const bool weights = !file.tensors().empty() && file.container() == Container::kGguf;
  return FitModel{*std::move(shape), weights ? std::optional(std::move(file)) : std::nullopt};
}

Result<FitMachine> describe_machine(const FitOptions& o) {
  if (!o.memory.empty() && !o.gpu.empty())
    return error("--memory {} and --gpu {}: give one of them", o.memory, o.gpu);
  for (const auto& [flag, value] : {std::pair("--bandwidth", o.bandwidth), {"--disk", o.disk}}) {
    if (!(value >= 0 && value < 1e6))
      return error("{} {}: GB/s are numbers from 0 to 1000000", flag, value);
  }
  if (o.disk == 0) return error("--disk 0: GB/s of the disk must be above 0");
  FitMachine machine;
  machine.gpu = !o.gpu.empty();
  R1_TRY(machine.isa, chosen_isa());
  machine.disk_gbps = o.disk;
  if (machine.gpu) {
    R1_TRY(machine.memory, parse_bytes(o.gpu));
  } else if (!o.memory.empty()) {
    R1_TRY(machine.memory, parse_bytes(o.memory));
  } else {
    R1_TRY(machine.memory, available_memory());
  }
  machine.read_gbps = o.bandwidth;
  if (o.bandwidth == 0 && !machine.gpu) {
    R1_TRY(machine.read_gbps, machine_read_gbps(available_cores()));
  }
  return machine;
}

// What --speculate keeps beside the model.
Result<void> add_speculation(const FitOptions& o, const FitModel* model, FitMachine& machine) {
  if (o.speculate.empty()) return {};
  const std::string_view draft = "draft=";
  const bool mtp = o.speculate == "mtp";
  if (!mtp && !o.speculate.starts_with(draft))
    return error("--speculate {}: it must be mtp or draft=FILE; lookup needs no memory",
                 o.speculate);
  if (!model) return error("--speculate {}: name a MODEL", o.speculate);
  if (mtp) {
    if (!model->shape.deepseek || model->shape.deepseek->n_mtp_layers == 0)
      return error(
          "--speculate mtp: {} has no layer of multi-token prediction; GGUF files of R1 leave it "
          "out, its config.json does not",
          model->shape.name);
    machine.mtp = true;
    return {};
  }
  R1_TRY(const FitModel small, find_model(o.speculate.substr(draft.size())));
  if (!small.file) return error("--speculate {}: it must be a GGUF file with weights", o.speculate);
  return add_draft(*small.file, machine);
}

std::string speed_text(const FitRow& row) {
  return row.tokens_per_second > 0 ? fmt::format("{:.3g}", row.tokens_per_second) : "-";
}

std::string note_of(const FitRow& row, bool chosen) {
  std::string note = chosen ? "  <- take this" : "";
  if (row.streamed)
    note += fmt::format("{}experts from disk: {} stay, {} cached, {} read per token",
                        chosen ? "; " : "  ", format_bytes(row.resident), format_bytes(row.cache),
                        format_bytes(row.disk_per_token));
  return note;
}

std::string machine_text(const FitMachine& m) {
  std::string text = fmt::format("{} {}", m.gpu ? "GPU with" : "memory", format_bytes(m.memory));
  if (m.read_gbps > 0) text += fmt::format(", read at {:.3g} GB/s", m.read_gbps);
  return text;
}

void print_rows(const ModelShape& shape, const FitMachine& machine, const std::vector<FitRow>& rows,
                std::optional<size_t> best) {
  const ParameterCount n = count_parameters(shape);
  fmt::print("{}: {} parameters{}, {} of keys and values per token; {}\n\n", printable(shape.name),
             format_count(n.total),
             n.active == n.total ? "" : fmt::format(", {} active", format_count(n.active)),
             format_bytes(rows[0].kv_per_token), machine_text(machine));
  fmt::print("{:<10} {:>9} {:>9} {:>9} {:>9} {:>8}\n", "type", "weights", "buffers", "context",
             "KV", "tokens/s");
  for (size_t i = 0; i < rows.size(); ++i) {
    const FitRow& row = rows[i];
    const auto kv = static_cast<uint64_t>(row.context) * row.kv_per_token;
    fmt::print("{:<10} {:>9} {:>9} {:>9} {:>9} {:>8}{}\n", row.name, format_bytes(row.weights),
               format_bytes(row.buffers),
               row.runs() ? format_grouped(static_cast<uint64_t>(row.context)) : "no",
               row.runs() ? format_bytes(kv) : "", speed_text(row), note_of(row, best == i));
  }
}

// Where nothing runs: what would.
std::string advice(const ModelShape& shape, const FitMachine& machine, const FitRow& smallest,
                   int64_t asked) {
  if (asked > shape.context_length && shape.context_length > 0)
    return fmt::format("context {} asked: the model's own is {} tokens", asked,
                       shape.context_length);
  return fmt::format(
      "nothing fits: {} needs {} for weights{}; {} has {}", smallest.name,
      format_bytes(smallest.weights),
      asked > 0
          ? fmt::format(" and {} for {} tokens",
                        format_bytes(static_cast<uint64_t>(asked) * smallest.kv_per_token), asked)
          : "",
      machine.gpu ? "the GPU" : "the machine", format_bytes(machine.memory));
}

Json row_json(const FitRow& row, bool chosen) {
  return {{"type", row.name},
          {"weight_bytes", row.weights},
          {"kv_bytes_per_token", row.kv_per_token},
          {"buffer_bytes", row.buffers},
          {"context", row.context},
          {"read_bytes_per_token", row.read_per_token},
          {"tokens_per_second", row.tokens_per_second > 0 ? Json(row.tokens_per_second) : Json()},
          {"streamed", row.streamed},
          {"resident_bytes", row.resident},
          {"expert_cache_bytes", row.cache},
          {"disk_bytes_per_token", row.disk_per_token},
          {"chosen", chosen}};
}

Json model_json(const ModelShape& shape, const FitMachine& machine, const std::vector<FitRow>& rows,
                std::optional<size_t> best) {
  const ParameterCount n = count_parameters(shape);
  Json list = Json::array();
  for (size_t i = 0; i < rows.size(); ++i) list.push_back(row_json(rows[i], best == i));
  return {{"model", shape.name},
          {"parameters", n.total},
          {"active_parameters", n.active},
          {"memory_bytes", machine.memory},
          {"gpu", machine.gpu},
          {"read_gbps", machine.read_gbps > 0 ? Json(machine.read_gbps) : Json()},
          {"disk_gbps", machine.disk_gbps},
          {"fits", list}};
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

int64_t wanted_context(const FitOptions& o) { return o.context > 0 ? o.context : kThoughtContext; }

// Every model of the family by its best row.
Result<void> fit_family(const FitOptions& o, FitMachine machine) {
  R1_DO(add_speculation(o, nullptr, machine));
  Json all = Json::array();
  if (!o.json) {
    fmt::print("{}\n\n", machine_text(machine));
    fmt::print("{:<22} {:<8} {:>9} {:>9} {:>8}\n", "model", "take", "weights", "context",
               "tokens/s");
  }
  for (const char* name : kFamily) {
    const ModelShape& shape = **find_shape(name);
    const auto rows = fit_all(shape, machine, o.context);
    const auto best = choose_fit(rows, wanted_context(o));
    if (o.json) {
      all.push_back(model_json(shape, machine, rows, best));
    } else if (best) {
      const FitRow& row = rows[*best];
      fmt::print("{:<22} {:<8} {:>9} {:>9} {:>8}{}\n", name, row.name, format_bytes(row.weights),
                 format_grouped(static_cast<uint64_t>(row.context)), speed_text(row),
                 note_of(row, false));
    } else {
      fmt::print("{:<22} no: {} needs {}\n", name, rows.back().name,
                 format_bytes(rows.back().weights));
    }
  }
  if (o.json) fmt::print("{}\n", dump(all));
  return {};
}

Result<void> fit_one(const FitOptions& o, FitMachine machine) {
  R1_TRY(const FitModel model, find_model(o.model));
  R1_DO(add_speculation(o, &model, machine));
  auto rows = fit_all(model.shape, machine, o.context);
  const FitRow smallest = rows.back();
  if (model.file) rows.insert(rows.begin(), fit_file(model.shape, *model.file, machine, o.context));
  auto best = choose_fit(rows, wanted_context(o));
  if (model.file && rows[0].runs()) best = 0;  // it is here
  if (o.json) {
    fmt::print("{}\n", dump(model_json(model.shape, machine, rows, best)));
    return {};
  }
  print_rows(model.shape, machine, rows, best);
  if (!best) fmt::print("\n{}\n", advice(model.shape, machine, smallest, o.context));
  return {};
}

Result<void> fit(const FitOptions& o) {
  if (o.context < 0)
    return error("--context {}: 0 for what fits, or a number of tokens", o.context);
  R1_TRY(const FitMachine machine, describe_machine(o));
  return o.model.empty() ? fit_family(o, machine) : fit_one(o, machine);
}

}  // namespace

const char* const fit_examples = R"(Examples:
  r1 fit                                  the R1 family on this machine
  r1 fit r1-distill-qwen-14b              one model, every quantization
  r1 fit r1-distill-qwen-7b --gpu 8G      on a graphics card
  r1 fit deepseek-r1 --memory 128G --bandwidth 200 --disk 7
  r1 fit model.gguf --context 32768       a file, or its config.json)";

Run declare_fit(CLI::App& app) {
  auto o = std::make_shared<FitOptions>();
  app.add_option("MODEL", o->model,
                 "a GGUF file, a Hugging Face folder, a config.json, or a name of the R1 family");
  app.add_option("--memory", o->memory, "of the machine, as 16G; what is available unless told");
  app.add_option("--gpu", o->gpu, "fit into a GPU's memory instead, as 24G");
  app.add_option("--context", o->context, "tokens wanted; 0: what fits")->capture_default_str();
  app.add_option("--bandwidth", o->bandwidth,
                 "of the memory in GB/s; 0: measured here (not for --gpu)")
      ->capture_default_str();
  app.add_option("--disk", o->disk, "of the disk in GB/s, for experts that do not fit")
      ->capture_default_str();
  app.add_option("--speculate", o->speculate,
                 "mtp or draft=FILE: its weights, keys and values beside the model's");
  app.add_flag("--json", o->json, "print JSON");
  return [o] { return fit(*o); };
}

}  // namespace r1
