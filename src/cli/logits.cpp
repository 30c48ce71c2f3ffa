// r1 logits MODEL --ids FILE -o OUT: the logits of given tokens as safetensors; --loss, --grads:
// how well they are predicted, and every parameter's gradient. The tool of anyone who compares
// engines.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/evaluation.h"
#include "format/safetensors_writer.h"
#include "model/replay.h"
#include "train/learner.h"

namespace r1 {

const char* const logits_examples =
    "Examples:\n"
    "  r1 logits model.gguf --ids ids.json -o out.safetensors                 ids.json: [1, 15043, "
    "29892]\n"
    "  r1 logits model.gguf --ids batch.json -o out.safetensors --greedy 32   batch.json: [[1, 2], "
    "[3, 4, 5]]\n"
    "  r1 logits folder --ids ids.json -o out.safetensors --compute f32 --hidden\n"
    "  r1 logits folder --ids ids.json --loss --grads grads.safetensors --compute f32\n"
    "\n"
    "OUT holds, for sequence i: logits_i [T, vocab] F32; with --hidden, hidden_i_j [T, dim] F32 "
    "(0: the embedding,\n"
    "last: after the final norm); with --experts, experts_i_j [T, used] I32 of each layer j that "
    "has "
    "some, ascending;\n"
    "with --mtp, mtp_logits_i [T - 1, vocab] F32 (row t: the token at t + 2, from those up to t + "
    "1); with --greedy N,\n"
    "greedy_i [N] I32. Neither the batch nor --chunk "
    "nor --threads changes\n"
    "a byte of it.\n"
    "--loss prints {\"loss\": ...}, the mean cross entropy of every token given those before it, "
    "in "
    "nats;\n"
    "--grads writes the gradient of that by every parameter under its name in the checkpoint, "
    "F32.\n";

namespace {

using Sequences = std::vector<std::vector<int32_t>>;

constexpr uint64_t kIdsLimit = 64 << 20;  // bytes of the ids file

struct Options {
  EvaluationOptions model;
  std::string ids, out, grads;
  bool loss = false;
  ReplayOptions replay;
};

Result<std::vector<int32_t>> read_list(const nlohmann::json& list) {
  std::vector<int32_t> ids;
  for (const auto& id : list) {
    if (!id.is_number_integer() || id < 0 || id > INT32_MAX)
      return error("{} is no token id", id.dump());
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

// A list of ids, or a list of lists.
Result<Sequences> read_ids(const std::string& path) {
  R1_TRY(const std::string text, read_file(path, kIdsLimit));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array() || json.empty())
    return error("{}: a list of token ids, or a list of such lists, expected", path);
  Sequences sequences;
  const bool many = json.front().is_array();
  for (const auto& list : many ? json : nlohmann::json::array({json})) {
    auto ids = list.is_array() ? read_list(list)
                               : Result<std::vector<int32_t>>(error("lists and ids are mixed"));
    if (!ids) return std::move(ids).error().in(path);
    sequences.push_back(*std::move(ids));
  }
  return sequences;
}

template <class T>
TensorInfo tensor(std::string name, DType dtype, std::vector<int64_t> shape,
                  const std::vector<T>& values) {
  return {std::move(name), dtype, std::move(shape), std::as_bytes(std::span(values))};
}

std::vector<TensorInfo> outputs(const std::vector<Replay>& replays, const Sequences& sequences,
                                const Config& c) {
  std::vector<TensorInfo> tensors;
  for (size_t i = 0; i < replays.size(); ++i) {
    const auto n = std::ssize(sequences[i]);
    tensors.push_back(
        tensor(fmt::format("logits_{}", i), DType::kF32, {n, c.vocab_size}, replays[i].logits));
    for (size_t j = 0; j < replays[i].hidden.size(); ++j) {
      tensors.push_back(
          tensor(fmt::format("hidden_{}_{}", i, j), DType::kF32, {n, c.dim}, replays[i].hidden[j]));
    }
    for (size_t j = 0, layer = 0; j < replays[i].experts.size(); ++j, ++layer) {
      while (!c.moe.is_moe(static_cast<int64_t>(layer))) ++layer;
      tensors.push_back(tensor(fmt::format("experts_{}_{}", i, layer), DType::kI32,
                               {n, c.moe.n_activated_experts}, replays[i].experts[j]));
    }
    if (const auto& mtp = replays[i].mtp_logits; !mtp.empty()) {
      tensors.push_back(
          tensor(fmt::format("mtp_logits_{}", i), DType::kF32, {n - 1, c.vocab_size}, mtp));
    }
    if (const auto& greedy = replays[i].greedy; !greedy.empty()) {
      tensors.push_back(
          tensor(fmt::format("greedy_{}", i), DType::kI32, {std::ssize(greedy)}, greedy));
    }
  }
  return tensors;
}

Result<void> check_sequences(const Sequences& sequences, const Config& c) {
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto& ids = sequences[i];
    if (ids.size() < 2) return error("sequence {}: a loss needs at least two tokens", i);
    if (std::ssize(ids) > c.context_length)
      return error("sequence {}: {} tokens, the context is {}", i, ids.size(), c.context_length);
    if (const int32_t most = *std::ranges::max_element(ids); most >= c.vocab_size)
      return error("sequence {}: token {}, the model has {}", i, most, c.vocab_size);
  }
  return {};
}

// The mean cross entropy, its gradients where they are asked for.
Result<void> run_loss(const Options& o, const Sequences& sequences, const WeightFile& file,
                      Context& ctx) {
  R1_TRY(
      const auto model,
      Model::load(file, {.compute = Compute::kF32, .mla = o.model.mla, .learn = DType::kF32}, ctx));
  R1_DO(check_sequences(sequences, model->config()));
  std::vector<TrainSequence> batch;
  size_t predicted = 0;
  for (const auto& ids : sequences) {
    batch.push_back({ids});
    predicted += ids.size() - 1;
  }
  Learner learner(*model, ctx, {});
  double loss = 0;
  const auto add = [&](std::span<const float> logp) {
    for (const float x : logp) loss -= double{x} / static_cast<double>(predicted);
  };
  if (o.grads.empty()) {
    R1_TRY(const auto logp, learner.log_probabilities(batch));
    add(logp);
  } else {
    const auto cross_entropy = [&](size_t, std::span<const float> logp, std::span<float> gradient) {
      add(logp);
      std::ranges::fill(gradient, -1 / static_cast<float>(predicted));
    };
    R1_DO(learner.accumulate(batch, cross_entropy));
    std::vector<TensorInfo> tensors;
    for (size_t i = 0; i < model->parameters().size(); ++i) {
      const ModelParameter& p = model->parameters()[i];
      if (p.by_gradient)
        tensors.push_back({p.name, DType::kF32, p.shape, std::as_bytes(learner.gradient(i))});
    }
    R1_DO(write_safetensors(o.grads, tensors));
  }
  fmt::print("{}\n", nlohmann::json{{"loss", loss}}.dump());
  return {};
}

Result<void> run(Options o) {
  if (!o.grads.empty() && !o.loss) return error("--grads goes with --loss");
  if (o.loss && o.model.compute != Compute::kF32)
    return error("--loss is computed in F32: add --compute f32");
  if (o.out.empty() && !o.loss) return error("-o OUT: where the logits go; or --loss");
  R1_TRY(const Sequences sequences, read_ids(o.ids));
  R1_TRY(const WeightFile file, WeightFile::open(o.model.model));
  R1_TRY(const auto ctx, Context::create(o.model.threads));
  if (o.loss) {
    R1_DO(run_loss(o, sequences, file, *ctx));
    if (o.out.empty()) return {};
  }
  o.model.mtp = o.replay.mtp;
  R1_TRY(const auto model, load_model(file, o.model, *ctx));
  std::optional<Progress> bar;
  o.replay.kv_dtype = o.model.kv_dtype();
  o.replay.progress = [&bar](int64_t done, int64_t total) {
    if (!bar) bar.emplace("tokens", static_cast<uint64_t>(total), ProgressUnit::kCount);
    bar->update(static_cast<uint64_t>(done));
  };
  R1_TRY(const auto replays, replay(*model, *ctx, sequences, o.replay));
  if (bar) bar->finish();
  return write_safetensors(o.out, outputs(replays, sequences, model->config()));
}

}  // namespace

Run declare_logits(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  add_evaluation_options(app, o->model);
  app.add_option("--ids", o->ids,
                 "a JSON file: a list of token ids, or a list of lists run as one batch")
      ->required()
      ->type_name("FILE");
  app.add_option("-o,--output", o->out, "the safetensors file to write")->type_name("OUT");
  app.add_flag("--loss", o->loss, "print the mean next-token cross entropy, as JSON");
  app.add_option("--grads", o->grads, "with --loss: a safetensors file for its gradients")
      ->type_name("FILE");
  app.add_flag("--hidden", o->replay.hidden, "write the hidden states of every layer too");
  app.add_flag("--experts", o->replay.experts, "write which experts every token was sent to");
  app.add_flag("--mtp", o->replay.mtp, "write what the multi-token prediction layer guesses");
  app.add_option("--greedy", o->replay.greedy,
                 "continue each sequence by N tokens, the most likely each time")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 20))
      ->type_name("N");
  app.add_option("--chunk", o->replay.chunk, "tokens of a sequence in one forward")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->type_name("N")
      ->capture_default_str();
  return [o] { return run(*o); };
}

}  // namespace r1
