#include "model/binder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/fnv.h"
#include "base/pattern.h"
#include "base/rng.h"

namespace r1 {
namespace {

constexpr size_t kShown = 20;  // mismatches printed

// Tensors that may repeat what is known: frequencies of the configuration, a tied head stored
// twice.
bool redundant(std::string_view name) {
  return name == "rope_freqs.weight" || name == "lm_head.weight" ||
         name.ends_with(".rotary_emb.inv_freq");
}

std::string list(std::vector<std::string> lines) {
  if (lines.size() == 1) return lines.front();
  const size_t n = lines.size();
  if (n > kShown) {
    lines.resize(kShown);
    lines.push_back(fmt::format("and {} more", n - kShown));
  }
  return fmt::format("{} tensors do not fit:\n  {}", n, fmt::join(lines, "\n  "));
}

// Memory that no Context takes back.
Tensor owned_tensor(int64_t rows, int64_t cols) {
  return {std::shared_ptr<float>(new float[static_cast<size_t>(rows * cols)],
                                 std::default_delete<float[]>()),
          rows, cols};
}

Tensor decode_vector(const TensorInfo& t) {
  const int64_t n = t.shape.front();
  const Tensor v = owned_tensor(1, n);
  info(t.dtype).decode(t.bytes.data(), v.data(), static_cast<size_t>(n));
  return v;
}

void draw_values(Context& ctx, const DrawnWeights& draw, std::string_view name, bool matrix,
                 const Tensor& values) {
  if (!matrix) {
    const float all = name.find("norm") != name.npos ? 1 : 0;
    std::fill_n(values.data(), values.size(), all);
    return;
  }
  const double std = draw.std > 0 ? draw.std : 1 / std::sqrt(static_cast<double>(values.cols()));
  const uint64_t stream = fnv1a64(name);
  ctx.parallel(values.size(), 1 << 12, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      values.data()[i] =
          static_cast<float>(std * normal(draw.seed, stream, static_cast<uint64_t>(i)));
    }
  });
}

uint64_t aligned(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

void Binder::prefix(std::string gguf, std::string hf) {
  gguf_prefix_ = std::move(gguf);
  hf_prefix_ = std::move(hf);
}

std::string Binder::full_name(std::string_view gguf_name, std::string_view hf_name) const {
  return gguf() ? gguf_prefix_ + std::string(gguf_name) : hf_prefix_ + std::string(hf_name);
}

void Binder::add(Field field, std::string_view gguf, std::string_view hf,
                 std::vector<int64_t> shape) {
  Binding b;
  b.field = field;
  b.name = full_name(gguf, hf);
  b.gguf_name = gguf_prefix_ + std::string(gguf);
  b.hf_name = hf_prefix_ + std::string(hf);
  b.shape = std::move(shape);
  b.compute = options_.compute;
  if (std::holds_alternative<Weight*>(b.field)) b.linear = linear(gguf, hf, b.shape);
  bindings_.push_back(std::move(b));
}

size_t Binder::linear(std::string_view gguf, std::string_view hf, std::vector<int64_t> shape) {
  linears_.push_back({full_name(gguf, hf), gguf_prefix_ + std::string(gguf),
                      hf_prefix_ + std::string(hf), std::move(shape)});
  return linears_.size() - 1;
}

void Binder::bind_exact(Weight& field, std::string_view gguf, std::string_view hf,
                        std::vector<int64_t> shape) {
  add(&field, gguf, hf, std::move(shape));
  bindings_.back().compute = Compute::kF32;
  bindings_.back().exact = true;
}

void Binder::bind_fixed(Tensor& field, std::string_view gguf, std::string_view hf,
                        std::vector<int64_t> shape) {
  add(&field, gguf, hf, std::move(shape));
  bindings_.back().fixed = true;
}

void Binder::then(std::function<Result<uint64_t>(Context&)> make) {
  steps_.push_back({bindings_.size(), std::move(make)});
}

bool Binder::has(std::string_view gguf, std::string_view hf) const {
  if (options_.draw) return !hf.empty();
  return file_.find(full_name(gguf, hf)) != nullptr;
}

void Binder::ignore(std::string_view gguf, std::string_view hf) {
  ignored_.push_back(full_name(gguf, hf));
}

// FP8 matrices come with a scale for every block, [ceil(rows / 128), ceil(cols / 128)].
Result<void> Binder::read_scales(Binding& b) const {
  const std::string name = b.name + "_scale_inv";
  const TensorInfo* t = file_.find(name);
  if (!t) return error("{}: F8E4M3 without its block scales {}", b.name, name);
  StoredMatrix& m = b.stored;
  m.scale_rows = m.scale_cols = 128;
  if (const MetaValue* meta = file_.meta("quantization_config.weight_block_size")) {
    const auto* array = std::get_if<std::shared_ptr<const MetaArray>>(meta);
    const auto* sizes = array ? std::get_if<std::vector<int64_t>>(&(*array)->items) : nullptr;
    if (!sizes || sizes->size() != 2 || (*sizes)[0] < 1 || (*sizes)[1] < 1) {
      return error("quantization_config.weight_block_size: two positive integers expected");
    }
    m.scale_rows = (*sizes)[0];
    m.scale_cols = (*sizes)[1];
  }
  const std::vector<int64_t> shape = {(m.rows - 1) / m.scale_rows + 1,
                                      (m.cols - 1) / m.scale_cols + 1};
  if (t->shape != shape) return error("{}: shape {} expected, file has {}", name, shape, t->shape);
  if (!info(t->dtype).decode) return error("{}: type {} is no scale", name, info(t->dtype).name);
  m.scales.resize(static_cast<size_t>(shape[0] * shape[1]));
  info(t->dtype).decode(t->bytes.data(), m.scales.data(), m.scales.size());
  return {};
}

Result<void> Binder::match(Binding& b, const Context& ctx) const {
  const TensorInfo* t = b.found = file_.find(b.name);
  if (!t) return error("{}: missing, shape {} expected", b.name, b.shape);
  int64_t n_rows = 1;
  for (size_t i = 0; i + 1 < b.shape.size(); ++i) n_rows *= b.shape[i];
  const int64_t n_cols = b.shape.back();
  const bool flattened = b.shape.size() == 3 && t->shape == std::vector<int64_t>{n_rows, n_cols};
  if (t->shape != b.shape && !flattened)
    return error("{}: shape {} expected, file has {}", b.name, b.shape, t->shape);
  const DTypeInfo& type = info(t->dtype);
  if (!type.decode) return error("{}: type {} is no weight", b.name, type.name);
  if (std::holds_alternative<Tensor*>(b.field)) {
    if (t->dtype == DType::kF8E4M3) return error("{}: a vector in F8E4M3 has no scales", b.name);
    return {};
  }
  b.stored.dtype = t->dtype;
  b.stored.rows = n_rows;
  b.stored.cols = n_cols;
  b.stored.bytes = t->bytes.data();
  b.stored.mapped = file_.mapped();
  if (t->dtype == DType::kF8E4M3) R1_DO(read_scales(b));
  if (std::holds_alternative<StoredMatrix*>(b.field)) return {};
  b.kernel = Weight::kernel_for(t->dtype, b.compute, ctx.isa());
  if (!b.kernel) return error("{}: no kernel multiplies type {}", b.name, type.name);
  return {};
}

// Tensors that no binding asked for: a model that ignored them would compute something else.
std::vector<std::string> Binder::unused() const {
  std::set<std::string, std::less<>> known;
  for (const Binding& b : bindings_) {
    known.insert(b.name);
    if (b.found && b.found->dtype == DType::kF8E4M3) known.insert(b.name + "_scale_inv");
  }
  std::vector<std::string> names;
  for (const TensorInfo& t : file_.tensors()) {
    const bool ignored = std::ranges::any_of(
        ignored_, [&](const std::string& prefix) { return t.name.starts_with(prefix); });
    if (!known.contains(t.name) && !redundant(t.name) && !ignored)
      names.push_back(t.name + ": not known to this architecture");
  }
  return names;
}

Result<void> Binder::check(const Context& ctx) {
  if (options_.draw) {
    R1_CHECK(options_.learn && !gguf());
    if (file_.tensors().empty()) return {};
    return error("it has {} tensors: weights are drawn for a config.json without any",
                 file_.tensors().size());
  }
  std::vector<std::string> wrong;
  for (Binding& b : bindings_) {
    if (auto matched = match(b, ctx); !matched) wrong.push_back(matched.error().message);
  }
  for (std::string& line : unused()) wrong.push_back(std::move(line));
  if (!wrong.empty()) return Error{list(std::move(wrong))};
  return options_.lora ? choose_adapted() : Result<void>();
}

// Which weights get a low-rank update.
Result<void> Binder::choose_adapted() {
  const LoraOptions& lora = *options_.lora;
  R1_CHECK(!options_.learn && lora.rank >= 1);
  const auto tied = [&](const Linear& l) {
    return std::ranges::count(bindings_, l.name, &Binding::name) > 1;
  };
  const auto choose = [&](const auto& wanted) {
    Linear* chosen = nullptr;
    for (Linear& l : linears_) {
      if (tied(l) || !wanted(l)) continue;
      l.adapted = true;
      chosen = &l;
    }
    return chosen;
  };
  for (const auto& entry : lora.given) {
    const std::string& name = entry.first;  // which clang 14 lets the lambda see
    const auto& values = entry.second;
    const Linear* l = choose([&](const Linear& one) { return one.name == name; });
    const bool ignored = std::ranges::any_of(
        ignored_, [&](const std::string& prefix) { return name.starts_with(prefix); });
    if (!l && ignored) continue;
    if (!l) return error("low-rank updates: the model has no weight {}", name);
    if (std::ssize(values.a) != lora.rank * l->n() * l->cols() ||
        std::ssize(values.b) != lora.rank * l->n() * l->rows())
      return error("low-rank updates: {} has another shape than {}", name, l->shape);
  }
  for (const std::string& pattern : lora.match) {
    const auto fits_name = [&](const Linear& l) {
      for (const std::string& name : {l.gguf_name, l.hf_name})
        if (fits(pattern, name) || fits("*." + pattern + ".weight", name)) return true;
      return false;
    };
    if (!choose(fits_name)) return error("lora.match: no weight of the model fits {}", pattern);
  }
  return {};
}

// The values an update begins with, given or drawn: B as 0, A Kaiming-uniform with a = sqrt(5).
void Binder::draw_update(Linear& l) {
  const LoraOptions& lora = *options_.lora;
  l.a = owned_tensor(l.n() * lora.rank, l.cols());
  l.b = owned_tensor(l.n() * l.rows(), lora.rank);
  if (const auto given = lora.given.find(l.name); given != lora.given.end()) {
    std::ranges::copy(given->second.a, l.a.data());
    std::ranges::copy(given->second.b, l.b.data());
  } else {
    const double bound = 1 / std::sqrt(static_cast<double>(l.cols()));
    const uint64_t stream = fnv1a64(l.name);
    for (int64_t i = 0; i < l.a.size(); ++i) {
      const double u = uniform(lora.seed, stream, static_cast<uint64_t>(i));
      l.a.data()[i] = static_cast<float>(bound * (2 * u - 1));
    }
    std::fill_n(l.b.data(), l.b.size(), 0.0f);
  }
  const auto shaped = [&](int64_t rows, int64_t cols) {
    return l.shape.size() == 3 ? std::vector{l.n(), rows, cols} : std::vector{rows, cols};
  };
  l.a_parameter = parameters_.size();
  parameters_.push_back({l.name + kLoraA, shaped(lora.rank, l.cols()), l.a, true, {}});
  parameters_.push_back({l.name + kLoraB, shaped(l.rows(), lora.rank), l.b, true, {}});
}

Weight::Lora Binder::lora(Context& ctx, size_t number, int64_t first, int64_t n, bool turned) {
  Linear& l = linears_[number];
  if (!l.adapted) return {};
  if (!l.a) draw_update(l);
  const int64_t r = options_.lora->rank, matrix = first / l.rows();
  Weight::Lora update{std::make_shared<Weight[]>(2), static_cast<float>(options_.lora->scale())};
  // (B A)^T = A^T B^T.
  Weight &of_a = turned ? *update.b() : *update.a(), &of_b = turned ? *update.a() : *update.b();
  const auto rows_of = [](const Tensor& x, int64_t at, int64_t count) {
    return Tensor({x.memory(), x.data() + at * x.cols()}, count, x.cols());
  };
  Weight& shared = l.shared_a[{matrix, turned}];
  if (!shared) {
    shared = Weight::trainable(ctx, rows_of(l.a, matrix * r, r), DType::kF32, turned);
    parameters_[l.a_parameter].weights.push_back(&of_a);  // the copies share their memory
  }
  of_a = shared;
  of_b = Weight::trainable(ctx, rows_of(l.b, first, n), DType::kF32, turned);
  parameters_[l.a_parameter + 1].weights.push_back(&of_b);
  return update;
}

// The values of a binding that learns; those of the same tensor are the same.
ModelParameter& Binder::parameter(const Binding& b, Context& ctx) {
  for (ModelParameter& p : parameters_) {
    if (p.name == b.name) return p;
  }
  const int64_t cols = b.shape.back();
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < b.shape.size(); ++i) rows *= b.shape[i];
  const Tensor values = owned_tensor(rows, cols);
  if (options_.draw) {
    draw_values(ctx, *options_.draw, b.name, !std::holds_alternative<Tensor*>(b.field), values);
  } else if (std::holds_alternative<Tensor*>(b.field)) {
    info(b.found->dtype).decode(b.found->bytes.data(), values.data(), static_cast<size_t>(cols));
  } else {
    for (int64_t i = 0; i < values.rows(); ++i) b.stored.decode_row(i, values.row(i).data());
  }
  return parameters_.emplace_back(ModelParameter{b.name, b.shape, values, !b.fixed, {}});
}

void Binder::learn(Context& ctx, Weight& to, const StoredMatrix& part, bool turned) {
  auto* values = const_cast<float*>(reinterpret_cast<const float*>(part.bytes));
  const auto holds = [&](const ModelParameter& p) {
    return values >= p.values.data() && values < p.values.data() + p.values.size();
  };
  const auto whole = std::ranges::find_if(parameters_, holds);
  R1_CHECK(whole != parameters_.end());
  const Tensor rows({whole->values.memory(), values}, part.rows, part.cols);
  to = Weight::trainable(ctx, rows, *options_.learn, turned);
  whole->weights.push_back(&to);
}

Result<uint64_t> Binder::load(Context& ctx) {
  R1_DO(check(ctx));
  uint64_t packed = 0, kept = 0, done = 0, total = 0;
  const auto bytes_of = [](const Binding& b) { return b.found ? b.found->bytes.size() : 0; };
  for (const Binding& b : bindings_) {
    total += bytes_of(b);
    if (b.kernel && !options_.learn)
      packed += aligned(Weight::packed_bytes(*b.kernel, b.stored.rows, b.stored.cols));
  }
  R1_TRY(const std::shared_ptr<std::byte> memory, reserve_pages(packed));
  uint64_t at = 0;
  auto step = steps_.begin();
  for (size_t i = 0; i < bindings_.size(); ++i) {
    Binding& b = bindings_[i];
    if (options_.learn) {
      ModelParameter& p = parameter(b, ctx);
      if (auto* const* weight = std::get_if<Weight*>(&b.field)) {
        **weight = Weight::trainable(ctx, p.values, b.exact ? DType::kF32 : *options_.learn);
        p.weights.push_back(*weight);
      } else if (auto* const* table = std::get_if<StoredMatrix*>(&b.field)) {
        **table = {.rows = p.values.rows(),
                   .cols = p.values.cols(),
                   .bytes = reinterpret_cast<const std::byte*>(p.values.data())};
      } else {
        *std::get<Tensor*>(b.field) = p.values;
      }
    } else if (auto* const* weight = std::get_if<Weight*>(&b.field)) {
      **weight = Weight::pack(ctx, b.stored, *b.kernel,
                              std::shared_ptr<std::byte>(memory, memory.get() + at));
      at += aligned(Weight::packed_bytes(*b.kernel, b.stored.rows, b.stored.cols));
      if (options_.lora) (*weight)->adapt(b.stored, lora(ctx, *b.linear, 0, b.stored.rows));
    } else if (auto* const* table = std::get_if<StoredMatrix*>(&b.field)) {
      **table = b.stored;
    } else {
      *std::get<Tensor*>(b.field) = decode_vector(*b.found);
      kept += static_cast<uint64_t>(b.shape[0]) * sizeof(float);
    }
    for (; step != steps_.end() && step->n_bindings == i + 1; ++step) {
      R1_TRY(const uint64_t made, step->make(ctx));
      kept += made;
    }
    done += bytes_of(b);
    if (options_.progress) options_.progress(done, total);
  }
  return packed + kept;
}

}  // namespace r1
