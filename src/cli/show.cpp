// r1 show: what a model is, from its file or from its config.json alone. Text of the file passes
// the control filter before it is printed.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "format/summary.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

struct ShowOptions {
  std::string model;
  bool tensors = false, metadata = false, whole_template = false, json = false;
};

// As people compare models, and exactly: "671.03 B (671,026,419,200)".
std::string parameter_count(uint64_t n) {
  const std::string exact = format_grouped(n);
  if (n < 1'000'000) return exact;
  const auto millions = static_cast<double>(n) / 1e6;
  return n < 1'000'000'000 ? fmt::format("{:.2f} M ({})", millions, exact)
                           : fmt::format("{:.2f} B ({})", millions / 1e3, exact);
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string dump(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// At most `bytes` bytes of a UTF-8 text, whole characters, with a mark where it was cut.
std::string head(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return std::string(text.substr(0, bytes)) + "…";
}

// The beginning of a value in one line: texts quoted, long arrays by their first elements and their
// length.
std::string brief(const Json& value) {
  constexpr size_t kItems = 5, kText = 100;
  if (value.is_array()) {
    std::string text = "[";
    for (size_t i = 0; i < value.size() && i < kItems; ++i)
      text += (i ? ", " : "") + brief(value[i]);
    return text + (value.size() > kItems ? fmt::format(", … {} in all]", value.size()) : "]");
  }
  const std::string text = dump(value);
  return text.size() <= kText ? text : head(text, kText) + fmt::format(" {} bytes", text.size());
}

Json to_json(const MetaValue& value);

Json to_json(const MetaArray& array) {
  Json list = Json::array();
  std::visit(
      [&](const auto& items) {
        for (const auto& item : items) {
          using Item = std::decay_t<decltype(item)>;
          if constexpr (std::is_same_v<Item, MetaValue>)
            list.push_back(to_json(item));
          else
            list.push_back(item);
        }
      },
      array.items);
  return list;
}

Json to_json(const MetaValue& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::shared_ptr<const MetaArray>>)
          return to_json(*v);
        else
          return v;
      },
      value);
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

const char* container_name(const WeightFile& file) {
  if (file.container() == Container::kGguf) return "GGUF";
  return file.tensors().empty() ? "config" : "safetensors";
}

std::vector<std::string> capabilities(const Summary& s) {
  std::vector<std::string> names;
  if (s.chat) names.emplace_back("chat");
  if (s.thinking) names.emplace_back("thinking");
  if (s.tools) names.emplace_back("tools");
  return names;
}

Json summary_json(const WeightFile& file, const Summary& s) {
  Json types = Json::object();
  for (const auto& [type, share] : s.types) {
    types[std::string(info(type).name)] = {
        {"tensors", share.tensors}, {"elements", share.elements}, {"bytes", share.bytes}};
  }
  Json json = {{"name", s.name},
               {"path", file.path()},
               {"container", container_name(file)},
               {"architecture", s.architecture},
               {"parameters", s.parameters ? Json(s.parameters->total) : Json()},
               {"active_parameters", s.parameters ? Json(s.parameters->active) : Json()},
               {"quantization", s.quantization},
               {"bits_per_weight", or_null(s.bits_per_weight)},
               {"context_length", or_null(s.context_length)},
               {"layers", or_null(s.layers)},
               {"dim", or_null(s.dim)},
               {"heads", or_null(s.heads)},
               {"kv_heads", or_null(s.kv_heads)},
               {"head_dim", or_null(s.head_dim)},
               {"experts", or_null(s.experts)},
               {"experts_used", or_null(s.experts_used)},
               {"vocab_size", or_null(s.vocab_size)},
               {"capabilities", capabilities(s)},
               {"license", s.licence},
               {"file_bytes", file.file_bytes()},
               {"tensor_count", file.tensors().size()},
               {"types", types},
               {"chat_template", or_null(s.chat_template)}};
  return json;
}

void print_json(const ShowOptions& options, const WeightFile& file, const Summary& s) {
  Json json = summary_json(file, s);
  if (options.metadata) {
    Json& metadata = json["metadata"] = Json::object();
    for (const auto& [key, value] : file.metadata()) metadata[key] = to_json(value);
  }
  if (options.tensors) {
    Json& tensors = json["tensors"] = Json::array();
    for (const TensorInfo& t : file.tensors()) {
      tensors.push_back({{"name", t.name},
                         {"type", info(t.dtype).name},
                         {"shape", t.shape},
                         {"bytes", t.bytes.size()}});
    }
  }
  fmt::print("{}\n", dump(json, 2));
}

void print_fact(std::string_view name, const std::string& value) {
  if (!value.empty()) fmt::print("{:<14}{}\n", name, printable(value));
}

std::string grouped(const std::optional<int64_t>& n) {
  return n && *n >= 0 ? format_grouped(static_cast<uint64_t>(*n)) : "";
}

std::string quantization_text(const Summary& s) {
  if (!s.bits_per_weight) return s.quantization;
  std::vector<std::string> shares;
  for (const auto& [type, share] : s.types)
    shares.push_back(fmt::format("{} {}", share.tensors, info(type).name));
  return fmt::format("{}, {:.2f} bits per weight (tensors: {})", s.quantization, *s.bits_per_weight,
                     fmt::join(shares, ", "));
}

std::string attention_text(const Summary& s) {
  if (!s.heads) return "";
  std::string text = fmt::format("{} heads", *s.heads);
  if (s.kv_heads && *s.kv_heads != *s.heads)
    text += fmt::format(", {} for keys and values", *s.kv_heads);
  return s.head_dim ? text + fmt::format(", {} wide", *s.head_dim) : text;
}

void print_template(const std::string& source, bool whole) {
  constexpr int kLines = 3;
  constexpr size_t kWidth = 100;
  fmt::print("\nchat template\n");
  if (whole) {
    fmt::print("{}\n", printable(source));
    return;
  }
  size_t at = 0;
  for (int i = 0; i < kLines && at < source.size(); ++i) {
    const size_t end = std::min(source.find('\n', at), source.size());
    fmt::print("  {}\n", printable(head(std::string_view(source).substr(at, end - at), kWidth)));
    at = end + 1;
  }
  fmt::print("  ({} bytes; --template prints all)\n", source.size());
}

void print_summary(const WeightFile& file, const Summary& s) {
  print_fact("model", s.name);
  print_fact("architecture", s.architecture);
  if (s.parameters) {
    print_fact("parameters", parameter_count(s.parameters->total));
    if (s.parameters->active != s.parameters->total) {
      print_fact("active", parameter_count(s.parameters->active) + " per token");
    }
  }
  print_fact("quantization", quantization_text(s));
  print_fact("context",
             grouped(s.context_length).empty() ? "" : grouped(s.context_length) + " tokens");
  print_fact("layers", grouped(s.layers));
  print_fact("dimension", grouped(s.dim));
  print_fact("attention", attention_text(s));
  if (s.experts && *s.experts > 0) {
    print_fact("experts", s.experts_used
                              ? fmt::format("{}, {} used per token", *s.experts, *s.experts_used)
                              : fmt::format("{}", *s.experts));
  }
  print_fact("vocabulary", grouped(s.vocab_size).empty() ? "" : grouped(s.vocab_size) + " tokens");
  const auto can = capabilities(s);
  print_fact("capabilities", can.empty() ? "completion" : fmt::format("{}", fmt::join(can, ", ")));
  print_fact("licence", s.licence);
  print_fact("file", file.tensors().empty()
                         ? fmt::format("{}, no weights", container_name(file))
                         : fmt::format("{}, {}, {} tensors", container_name(file),
                                       format_bytes(file.file_bytes()), file.tensors().size()));
}

void print_tensors(const WeightFile& file) {
  size_t name = 6, shape = 5;
  for (const TensorInfo& t : file.tensors()) {
    name = std::max(name, t.name.size());
    shape = std::max(shape, shape_text(t.shape).size());
  }
  fmt::print("\n{:<{}}  {:<7}  {:<{}}  {:>14}\n", "tensor", name, "type", "shape", shape, "bytes");
  for (const TensorInfo& t : file.tensors()) {
    fmt::print("{:<{}}  {:<7}  {:<{}}  {:>14}\n", printable(t.name), name, info(t.dtype).name,
               shape_text(t.shape), shape, format_grouped(t.bytes.size()));
  }
}

void print_metadata(const WeightFile& file) {
  fmt::print("\nmetadata\n");
  for (const auto& [key, value] : file.metadata()) {
    fmt::print("{} = {}\n", printable(key), printable(brief(to_json(value))));
  }
}

Result<void> show(const ShowOptions& options) {
  R1_TRY(const auto file, WeightFile::open(options.model));
  R1_TRY(const auto summary, summarize(file));
  if (options.json) {
    print_json(options, file, summary);
    return {};
  }
  print_summary(file, summary);
  if (summary.chat_template) print_template(*summary.chat_template, options.whole_template);
  if (options.metadata) print_metadata(file);
  if (options.tensors) print_tensors(file);
  return {};
}

}  // namespace

const char* const show_examples = R"(Examples:
  r1 show model.gguf              what the model is
  r1 show model.gguf --tensors    every tensor: type, shape, bytes
  r1 show DeepSeek-R1/config.json what it will be, before its weights are here
  r1 show model.gguf --json       the same for programs)";

Run declare_show(CLI::App& app) {
  auto options = std::make_shared<ShowOptions>();
  app.add_option("MODEL", options->model,
                 "a GGUF or safetensors file, a Hugging Face folder, or a config.json")
      ->required();
  app.add_flag("--tensors", options->tensors, "list every tensor: name, type, shape, bytes");
  app.add_flag("--metadata", options->metadata, "list every metadata key and value");
  app.add_flag("--template", options->whole_template, "print the whole chat template");
  app.add_flag("--json", options->json, "print JSON; metadata and tensors in it as the flags say");
  return [options] { return show(*options); };
}

}  // namespace r1
