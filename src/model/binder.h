// From a checkpoint's tensors to a model's weights. A model binds every field to a name and a
// shape; then all mismatches are reported together, or everything is packed for the kernels of this
// machine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "format/weight_file.h"
#include "model/model.h"
#include "tensor/ops.h"

namespace r1 {

class Binder {
 public:
  // Borrows both.
  Binder(const WeightFile& file, const LoadOptions& options) : file_(file), options_(options) {}
  const LoadOptions& options() const { return options_; }
  bool gguf() const { return file_.container() == Container::kGguf; }

  // Prepended to the names that follow: ("blk.3.", "model.layers.3.").
  void prefix(std::string gguf, std::string hf);

  // field (Weight; Tensor for vectors; StoredMatrix for what stays as stored), GGUF name, Hugging
  // Face name, shape as torch prints it. load() fills the field, which must stay where it is until
  // then. A stack of matrices [n, rows, cols] is a StoredMatrix of n * rows rows.
  template <class T>
  void bind(T& field, std::string_view gguf, std::string_view hf, std::vector<int64_t> shape) {
    add(&field, gguf, hf, std::move(shape));
  }
  // A weight that is multiplied exactly (Compute::kF32) whatever the options say.
  void bind_exact(Weight& field, std::string_view gguf, std::string_view hf,
                  std::vector<int64_t> shape);
  // A vector that no gradient changes.
  void bind_fixed(Tensor& field, std::string_view gguf, std::string_view hf,
                  std::vector<int64_t> shape);
  // Runs after the fields bound so far are filled; returns the bytes it keeps resident.
  void then(std::function<Result<uint64_t>(Context&)> make);

  // In such a step, with LoadOptions::learn: `to` multiplies by `part`, some rows of a bound
  // StoredMatrix (turned: by their transpose), and learns with it.
  void learn(Context& ctx, Weight& to, const StoredMatrix& part, bool turned = false);

  bool has(std::string_view gguf, std::string_view hf) const;
  // Tensors with names that begin so are of no use to this model as it is loaded.
  void ignore(std::string_view gguf, std::string_view hf);

  // Checks every binding and that every tensor of the file is bound, reports all that is wrong,
  // then fills the fields. Returns the bytes resident afterwards. What stays as stored stays
  // mapped: the caller keeps the file's mapping.
  Result<uint64_t> load(Context& ctx);
  // After load() with LoadOptions::learn: what learns, in the order of binding.
  std::vector<ModelParameter> take_parameters() { return std::move(parameters_); }

 private:
  using Field = std::variant<Weight*, StoredMatrix*, Tensor*>;
  struct Binding {
    Field field;
    std::string name, gguf_name, hf_name;  // as the file spells it, and in either spelling
    std::vector<int64_t> shape;
    Compute compute;
    bool exact = false, fixed = false;
    bool adapted = false;  // gets a low-rank update
    const TensorInfo* found = nullptr;
    StoredMatrix stored{};                 // of weights and embeddings
    const MatmulKernel* kernel = nullptr;  // of weights
  };

  void add(Field field, std::string_view gguf, std::string_view hf, std::vector<int64_t> shape);
  std::string full_name(std::string_view gguf, std::string_view hf) const;
  Result<void> match(Binding& b, const Context& ctx) const;
  Result<void> read_scales(Binding& b) const;
  std::vector<std::string> unused() const;
  Result<void> check(const Context& ctx);
  ModelParameter& parameter(const Binding& b, Context& ctx);
  Result<void> choose_adapted();
  void adapt(Context& ctx, const Binding& b, Weight& to);

  struct Step {
    size_t n_bindings;  // that must be filled before
    std::function<Result<uint64_t>(Context&)> make;
  };

  const WeightFile& file_;
  const LoadOptions& options_;
  std::string gguf_prefix_, hf_prefix_;
  std::vector<Binding> bindings_;
  std::vector<Step> steps_;
  std::vector<std::string> ignored_;
  std::vector<ModelParameter> parameters_;
};

}  // namespace r1
