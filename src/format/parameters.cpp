#include "format/parameters.h"

#include <charconv>

namespace r1 {
namespace {

constexpr std::string_view kRopeDivisors = "rope_freqs.weight";

// The number after "blk." or "model.layers.", if the name has one.
std::optional<uint64_t> layer_of(std::string_view name) {
  for (const std::string_view prefix : {"blk.", "model.layers."}) {
    if (!name.starts_with(prefix)) continue;
    uint64_t layer = 0;
    const char* end = name.data() + name.size();
    if (std::from_chars(name.data() + prefix.size(), end, layer).ec == std::errc()) return layer;
  }
  return std::nullopt;
}

bool is_routed_expert(std::string_view name) {
  return name.find(".experts.") != std::string_view::npos ||
         name.find("_exps.") != std::string_view::npos;
}

// What the metadata says about experts and layers, under the spellings of both containers.
struct Structure {
  std::optional<int64_t> experts, used, layers;
};

Result<Structure> read_structure(const WeightFile& file) {
  Structure s;
  const auto first_of =
      [&](std::initializer_list<std::string> keys) -> Result<std::optional<int64_t>> {
    for (const auto& key : keys) {
      R1_TRY(const auto value, file.integer(key));
      if (value) return value;
    }
    return std::optional<int64_t>();
  };
  R1_TRY(const auto arch, file.text("general.architecture"));
  const std::string a = arch.value_or("") + ".";
  R1_TRY(s.experts,
         first_of({a + "expert_count", "n_routed_experts", "num_local_experts", "num_experts"}));
  R1_TRY(s.used, first_of({a + "expert_used_count", "num_experts_per_tok"}));
  R1_TRY(s.layers, first_of({a + "block_count", "num_hidden_layers"}));
  R1_TRY(const auto extra,
         first_of({a + "nextn_predict_layers"}));  // GGUF counts them among its blocks
  if (s.layers && extra && *extra >= 0 && *extra <= *s.layers) *s.layers -= *extra;
  return s;
}

// All elements, and those of routed experts.
struct Tally {
  uint64_t total = 0, routed = 0;
  void add(std::string_view name, uint64_t elements) {
    total += elements;
    if (is_routed_expert(name)) routed += elements;
  }
  ParameterCount count(uint64_t experts, uint64_t used) const {
    return {total, total - routed / experts * (experts - used)};
  }
};

Result<ParameterCount> count_tensors(const WeightFile& file) {
  R1_TRY(const Structure s, read_structure(file));
  Tally tally;  // cannot overflow: every element takes bytes of the file
  for (const TensorInfo& t : file.tensors()) {
    const auto layer = layer_of(t.name);
    const bool extra =
        layer && s.layers && *layer >= static_cast<uint64_t>(std::max<int64_t>(*s.layers, 0));
    if (extra || t.name.ends_with("_scale_inv") || t.name == kRopeDivisors) continue;
    const DTypeInfo& type = info(t.dtype);
    tally.add(t.name, t.bytes.size() / static_cast<uint64_t>(type.block_bytes) *
                          static_cast<uint64_t>(type.block));
  }
  if (tally.routed == 0 || !s.experts || !s.used) return ParameterCount{tally.total, tally.total};
  if (*s.experts < 1 || *s.used < 0 || *s.used > *s.experts) {
    return error("{} experts used of {}: not a share", *s.used, *s.experts);
  }
  return tally.count(static_cast<uint64_t>(*s.experts), static_cast<uint64_t>(*s.used));
}

}  // namespace

ParameterCount count_parameters(const ModelShape& shape) {
  Tally tally;
  for (const ShapeTensor& t : shape_tensors(shape)) {
    const bool extra = layer_of(t.name).value_or(0) >= static_cast<uint64_t>(shape.n_layers);
    if (!extra && t.name != kRopeDivisors) tally.add(t.name, t.elements());
  }
  if (!shape.deepseek) return {tally.total, tally.total};
  return tally.count(static_cast<uint64_t>(shape.deepseek->n_routed_experts),
                     static_cast<uint64_t>(shape.deepseek->n_activated_experts));
}

Result<ParameterCount> count_parameters(const WeightFile& file) {
  if (!file.tensors().empty()) return count_tensors(file);
  R1_TRY(const ModelShape shape, read_shape(file));
  return count_parameters(shape);
}

}  // namespace r1
