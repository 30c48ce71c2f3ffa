#include "infer/fit.h"

#include <algorithm>

#include "infer/memory.h"
#include "tensor/weight.h"

namespace r1 {
namespace {

constexpr int64_t kChunk = 512;             // tokens of a prompt's step
constexpr int64_t kStreamedContext = 4096;  // while experts fight for every byte

struct TypedTensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
};

struct Sizes {
  uint64_t all = 0, experts = 0, read = 0;  // bytes; `read` by one token
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// As the engine keeps it; on a GPU as it is stored.
uint64_t bytes_in_memory(const TypedTensor& t, const FitMachine& machine) {
  uint64_t matrices = 1;
  for (size_t i = 0; i + 2 < t.shape.size(); ++i) matrices *= static_cast<uint64_t>(t.shape[i]);
  const int64_t rows = t.shape.size() < 2 ? 1 : t.shape[t.shape.size() - 2];
  const MatmulKernel* kernel = nullptr;
  if (!machine.gpu && t.shape.size() >= 2)
    kernel = Weight::kernel_for(t.dtype, machine.compute, machine.isa);
  const uint64_t one = kernel ? Weight::packed_bytes(*kernel, rows, t.shape.back())
                              : stored_bytes(t.dtype, static_cast<uint64_t>(rows),
                                             static_cast<uint64_t>(t.shape.back()))
                                    .value_or(0);
  return matrices * one;
}

Sizes measure(const ModelShape& shape, const std::vector<TypedTensor>& tensors,
              const FitMachine& machine) {
  Sizes sizes;
  for (const TypedTensor& t : tensors) {
    const bool mtp = t.name.starts_with(fmt::format("blk.{}.", shape.n_layers)) ||
                     t.name.starts_with(fmt::format("model.layers.{}.", shape.n_layers));
    if (mtp && !machine.mtp) continue;  // loaded only to speculate
    const uint64_t bytes = bytes_in_memory(t, machine);
    // The host looks embeddings up in the file; a tied one is multiplied too.
    const bool looked_up =
        !shape.tied && (t.name == "token_embd.weight" || t.name == "model.embed_tokens.weight");
    if (!looked_up || machine.gpu) sizes.all += bytes;
    if (looked_up) continue;
    if (shape.deepseek && (contains(t.name, "_exps.") || contains(t.name, ".mlp.experts."))) {
      sizes.experts += bytes;
      if (!mtp)
        sizes.read += bytes / static_cast<uint64_t>(shape.deepseek->n_routed_experts) *
                      static_cast<uint64_t>(shape.deepseek->n_activated_experts);
    } else if (!mtp) {
      sizes.read += bytes;
    }
  }
  return sizes;
}

uint64_t buffers_of(const ModelShape& s) {
  int64_t heads = (s.n_heads + 2 * s.n_kv_heads) * s.head_dim, inter = s.inter_dim;
  if (s.deepseek) {
    const DeepSeekShape& d = *s.deepseek;
    heads = s.n_heads * (s.head_dim + 2 * d.kv_lora_rank + d.qk_rope_head_dim + d.v_head_dim);
    inter = std::max(inter,
                     (d.n_activated_experts + d.n_shared_experts) * (d.moe_inter_dim + s.dim / 2));
  }
  return static_cast<uint64_t>(kChunk * (2 * inter + 2 * s.dim + heads) + s.vocab_size) *
         sizeof(float);
}

// Tokens that fit into `room` bytes beside the weights, and the bytes they may take.
int64_t context_in(uint64_t memory, uint64_t weights, const FitMachine& machine, uint64_t per_token,
                   const ModelShape& s, int64_t asked) {
  if (weights >= memory) return 0;
  const int64_t own = s.context_length > 0 ? s.context_length : INT32_MAX / 2;
  if (asked > own) return 0;
  if (machine.gpu) {
    const auto fits = static_cast<int64_t>((memory - weights) / per_token);
    return std::min(fits >= std::max<int64_t>(asked, 1) ? (asked > 0 ? asked : fits) : 0, own);
  }
  const auto plan = plan_context(memory - weights, per_token, own, asked);
  return plan ? plan->context : 0;
}

// 0: not to be had.
int64_t streamed_context(const ModelShape& s, int64_t asked) {
  const int64_t own = s.context_length > 0 ? s.context_length : kStreamedContext;
  return asked > own ? 0 : asked > 0 ? asked : std::min(own, kStreamedContext);
}

FitRow fit(std::string name, const ModelShape& shape, const std::vector<TypedTensor>& tensors,
           const FitMachine& machine, int64_t asked) {
  Sizes sizes = measure(shape, tensors, machine);
  sizes.all += machine.draft_weights;
  FitRow row;
  row.name = std::move(name);
  row.weights = row.resident = sizes.all;
  KvShape kv = kv_shape(shape, machine.kv_dtype);
  if (machine.mtp) ++kv.n_layers;
  row.kv_per_token = kv.bytes_per_token() + machine.draft_kv_per_token;
  row.buffers = buffers_of(shape);
  row.read_per_token = sizes.read;
  const uint64_t memory = machine.gpu ? usable_gpu_memory(machine.memory) : machine.memory;
  row.context = context_in(memory, sizes.all, machine, row.kv_per_token, shape, asked);
  const int64_t context = streamed_context(shape, asked);
  if (!row.runs() && context > 0 && sizes.experts > 0 && !machine.gpu) {
    const ExpertPlan plan = plan_experts(memory, sizes.all - sizes.experts, sizes.experts,
                                         row.kv_per_token * static_cast<uint64_t>(context));
    const DeepSeekShape& d = *shape.deepseek;
    const auto chosen = sizes.experts / static_cast<uint64_t>(d.n_routed_experts) *
                        static_cast<uint64_t>(d.n_activated_experts);
    row.streamed = plan.runs;
    if (plan.runs) row.context = context;
    row.resident = sizes.all - sizes.experts;
    row.cache = plan.cache;
    // Any expert is as likely as another: what is cached of them all is cached of those chosen.
    const double missing = 1 - static_cast<double>(plan.cache) / static_cast<double>(sizes.experts);
    row.disk_per_token = static_cast<uint64_t>(missing * static_cast<double>(chosen));
  }
  if (!row.runs() || machine.read_gbps <= 0) return row;
  double seconds = static_cast<double>(row.read_per_token) / (machine.read_gbps * 1e9);
  if (row.disk_per_token > 0)
    seconds += static_cast<double>(row.disk_per_token) / (machine.disk_gbps * 1e9);
  row.tokens_per_second = 1 / seconds;
  return row;
}

}  // namespace

KvShape kv_shape(const ModelShape& s, DType dtype) {
  const int layers = static_cast<int>(s.n_layers), heads = static_cast<int>(s.n_kv_heads),
            width = static_cast<int>(s.head_dim);
  if (!s.deepseek) return {layers, heads, width, width, dtype};
  const int rank = static_cast<int>(s.deepseek->kv_lora_rank);
  return {layers, 1, rank + static_cast<int>(s.deepseek->qk_rope_head_dim), rank, dtype, true};
}

FitRow fit_mix(const ModelShape& shape, const Mix& mix, const FitMachine& machine, int64_t asked) {
  std::vector<TypedTensor> tensors;
  const MixModel model{shape.n_layers, shape.tied, gqa(shape)};
  for (ShapeTensor& t : shape_tensors(shape)) {
    const DType type = choose_type(mix, model, t.name, t.shape).type;
    tensors.push_back({std::move(t.name), type, std::move(t.shape)});
  }
  return fit(std::string(mix.name), shape, tensors, machine, asked);
}

FitRow fit_file(const ModelShape& shape, const WeightFile& file, const FitMachine& machine,
                int64_t asked) {
  std::vector<TypedTensor> tensors;
  for (const TensorInfo& t : file.tensors()) tensors.push_back({t.name, t.dtype, t.shape});
  return fit("this file", shape, tensors, machine, asked);
}

Result<void> add_draft(const WeightFile& file, FitMachine& machine) {
  R1_TRY(const ModelShape shape, read_shape(file));
  const FitRow row = fit_file(shape, file, machine, 0);
  machine.draft_weights = row.weights;
  machine.draft_kv_per_token = row.kv_per_token;
  return {};
}

StreamedFit fit_streamed(const WeightFile& file, const FitMachine& machine, int64_t asked) {
  const auto shape = read_shape(file);
  if (!shape) return {};
  const FitRow row = fit_file(*shape, file, machine, asked);
  if (!row.streamed) return {.cache = nullptr, .weights = row.weights};
  return {std::make_shared<ExpertCache>(row.cache), row.context, row.weights};
}

Result<ModelRoom> model_room(const WeightFile& file, const FitMachine& machine, int64_t asked) {
  R1_TRY(const ModelShape shape, read_shape(file));
  const FitRow row = fit_file(shape, file, machine, asked);
  const int64_t own = shape.context_length > 0 ? shape.context_length : kThoughtContext;
  if (asked > own) return error("context {} asked: the model's own is {} tokens", asked, own);
  ModelRoom room;
  room.weights = row.weights + row.weights / 32;
  room.context = asked > 0 ? asked : std::min(own, kThoughtContext);
  const auto kv = [&](int64_t contexts) {
    const int64_t pages = contexts * ((room.context + kKvPage - 1) / kKvPage);
    return static_cast<uint64_t>(pages * kKvPage) * row.kv_per_token;
  };
  room.least = room.weights + room_for(kv(1));
  room.most = room.weights + room_for(kv(4));
  room.all = row.streamed;
  if (room.all) room.least = room.most = machine.memory;
  return room;
}

std::vector<FitRow> fit_all(const ModelShape& shape, const FitMachine& machine, int64_t asked) {
  std::vector<FitRow> rows;
  for (const Mix& mix : common_mixes()) rows.push_back(fit_mix(shape, mix, machine, asked));
  return rows;
}

std::optional<size_t> choose_fit(const std::vector<FitRow>& rows, int64_t wanted) {
  std::optional<size_t> best;
  const auto better = [&](const FitRow& a, const FitRow& b) {  // a than b, b larger
    if (a.streamed != b.streamed) return b.streamed;
    if (a.streamed) return a.tokens_per_second > b.tokens_per_second;
    return b.context < wanted && a.context > b.context;
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].runs() || rows[i].name == "f16") continue;
    if (!best || better(rows[i], rows[*best])) best = i;
  }
  return best;
}

}  // namespace r1
