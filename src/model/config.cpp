#include "model/config.h"

#include <algorithm>
#include <type_traits>

namespace r1 {
namespace {

// GGUF settings that say nothing about arithmetic, or nothing beyond what the tensors say.
constexpr std::string_view kWithoutEffect[] = {"vocab_size", "rope.scaling.finetuned",
                                               "tensor_data_layout", "pooling_type"};
// And those that say so when they have this value.
constexpr std::pair<std::string_view, int64_t> kNeutral[] = {{"expert_count", 0},
                                                             {"expert_used_count", 0},
                                                             {"attention.causal", 1},
                                                             {"attention.sliding_window", 0}};

bool has_effect(const WeightFile& file, std::string_view key, std::string_view setting) {
  if (std::ranges::find(kWithoutEffect, setting) != std::end(kWithoutEffect)) return false;
  for (const auto& [neutral, value] : kNeutral) {
    if (setting != neutral) continue;
    if (const auto flag = file.boolean(key); flag && *flag) return int64_t{**flag} != value;
    if (const auto number = file.integer(key); number && *number) return **number != value;
  }
  return true;
}

std::string show(const MetaValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::shared_ptr<const MetaArray>>) {
          return "[...]";
        } else {
          return fmt::format("{}", v);
        }
      },
      value);
}

}  // namespace

Reader::Reader(const WeightFile& file, std::string architecture)
    : file_(file), architecture_(std::move(architecture)) {}

void Reader::fail(Error e) {
  if (!error_) error_ = std::move(e);
}

template <class T>
void Reader::get(T& field, std::string_view gguf_key, std::string_view hf_key, const T* otherwise) {
  const std::string_view short_key = gguf() ? gguf_key : hf_key;
  const std::string key =
      gguf() ? fmt::format("{}.{}", architecture_, short_key) : std::string(short_key);
  if (otherwise) field = *otherwise;
  if (short_key.empty()) return;
  seen_.insert(key);
  auto value = [&] {
    if constexpr (std::is_same_v<T, int64_t>)
      return file_.integer(key);
    else if constexpr (std::is_same_v<T, double>)
      return file_.number(key);
    else if constexpr (std::is_same_v<T, bool>)
      return file_.boolean(key);
    else
      return file_.text(key);
  }();
  if (!value) return fail(std::move(value).error());
  if (*value) {
    field = **std::move(value);
  } else if (!otherwise) {
    fail(error("{} is missing", key));
  }
}

void Reader::read(int64_t& field, std::string_view gguf_key, std::string_view hf_key) {
  get<int64_t>(field, gguf_key, hf_key, nullptr);
}
void Reader::read(double& field, std::string_view gguf_key, std::string_view hf_key) {
  get<double>(field, gguf_key, hf_key, nullptr);
}
void Reader::read(int64_t& field, std::string_view gguf_key, std::string_view hf_key,
                  int64_t otherwise) {
  get(field, gguf_key, hf_key, &otherwise);
}
void Reader::read(double& field, std::string_view gguf_key, std::string_view hf_key,
                  double otherwise) {
  get(field, gguf_key, hf_key, &otherwise);
}
void Reader::read(bool& field, std::string_view gguf_key, std::string_view hf_key, bool otherwise) {
  get(field, gguf_key, hf_key, &otherwise);
}
void Reader::read(std::string& field, std::string_view gguf_key, std::string_view hf_key,
                  std::string_view otherwise) {
  const std::string value(otherwise);
  get(field, gguf_key, hf_key, &value);
}

Result<void> Reader::finish() const {
  if (error_) return *error_;
  const std::string prefix = gguf() ? architecture_ + "." : "rope_scaling.";
  for (const auto& [key, value] : file_.metadata()) {
    if (!key.starts_with(prefix) || seen_.contains(key)) continue;
    if (has_effect(file_, key, std::string_view(key).substr(prefix.size()))) {
      return error("{} = {}: this setting is not known for {}", key, show(value), architecture_);
    }
  }
  return {};
}

Result<void> check(const Config& c, const WeightFile& file, bool without_tensors) {
  constexpr int64_t kMost = 1 << 24, kMostTensors = 1 << 20;
  const auto n_tensors =
      without_tensors ? kMostTensors : static_cast<int64_t>(file.tensors().size());
  if (n_tensors == 0) return error("the checkpoint holds a configuration but no weights");
  if (c.n_layers < 1 || c.n_layers > n_tensors)
    return error("{} layers in a file of {} tensors", c.n_layers, n_tensors);
  if (file.container() == Container::kSafetensors && c.moe.n_routed_experts > 0 &&
      (c.n_layers - c.moe.n_dense_layers) / c.moe.layer_freq > n_tensors / c.moe.n_routed_experts) {
    return error("{} experts in each of {} layers in a file of {} tensors", c.moe.n_routed_experts,
                 c.n_layers, n_tensors);
  }
  const std::pair<const char*, int64_t> sizes[] = {
      {"hidden size", c.dim},
      {"feed-forward size", c.inter_dim},
      {"number of heads", c.n_heads},
      {"number of key/value heads", c.n_kv_heads},
      {"head size", c.head_dim},
      {"vocabulary", c.vocab_size},
      {"number of query elements", c.n_heads * std::min(c.head_dim, kMost)}};
  for (const auto& [what, size] : sizes) {
    if (size < 1 || size > kMost) return error("{} {}: it must be in [1, {}]", what, size, kMost);
  }
  if (c.n_heads % c.n_kv_heads != 0) {
    return error("{} heads cannot share {} key/value heads evenly", c.n_heads, c.n_kv_heads);
  }
  if (c.rope.dim < 2 || c.rope.dim % 2 != 0 || c.rope.dim > c.head_dim) {
    return error("RoPE over {} elements of a head of {}: it must be even and no more than the head",
                 c.rope.dim, c.head_dim);
  }
  if (!(c.norm_eps > 0 && c.norm_eps < 1))
    return error("RMSNorm epsilon {}: it must be in (0, 1)", c.norm_eps);
  if (c.context_length < 1 || c.context_length > 1 << 30) {
    return error("context of {} tokens: it must be in [1, {}]", c.context_length, 1 << 30);
  }
  return {};
}

}  // namespace r1
