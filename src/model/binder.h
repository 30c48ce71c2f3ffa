// From a checkpoint's tensors to a model's weights. A model binds every field to a name and a
// shape; then all mismatches are reported together, or everything is packed for the kernels of this
// machine.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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
  // A matrix [rows, cols], or n of them [n, rows, cols], that the model multiplies by but packs
  // itself: known to low-rank updates under these names, the stored one's or not. Its number.
  size_t linear(std::string_view gguf, std::string_view hf, std::vector<int64_t> shape);
  // In then(), with LoadOptions::lora: the update of n of its rows (counted over all n matrices),
  // or of their transpose (turned); none where it has none.
  Weight::Lora lora(Context& ctx, size_t number, int64_t first, int64_t n, bool turned = false);

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
    std::optional<size_t> linear{};  // of weights
    const TensorInfo* found = nullptr;
    StoredMatrix stored{};                 // of weights and embeddings
    const MatmulKernel* kernel = nullptr;  // of weights
  };

  // What may get a low-rank update.
  struct Linear {
    std::string name, gguf_name, hf_name;
    std::vector<int64_t> shape;
    bool adapted = false;
    Tensor a{}, b{};         // [n * r, cols], [n * rows, r]; none until they are asked for
    size_t a_parameter = 0;  // b's is the next
    // A of one matrix, packed once for all parts of its rows: by (matrix, turned).
    std::map<std::pair<int64_t, bool>, Weight> shared_a{};

    int64_t n() const { return shape.size() == 3 ? shape[0] : 1; }
    int64_t rows() const { return shape[shape.size() - 2]; }  // of one
    int64_t cols() const { return shape.back(); }
  };

  void add(Field field, std::string_view gguf, std::string_view hf, std::vector<int64_t> shape);
  std::string full_name(std::string_view gguf, std::string_view hf) const;
  Result<void> match(Binding& b, const Context& ctx) const;
  Result<void> read_scales(Binding& b) const;
  std::vector<std::string> unused() const;
  Result<void> check(const Context& ctx);
  ModelParameter& parameter(const Binding& b, Context& ctx);
  Result<void> choose_adapted();
  void draw_update(Linear& l);

  struct Step {
    size_t n_bindings;  // that must be filled before
    std::function<Result<uint64_t>(Context&)> make;
  };

  const WeightFile& file_;
  const LoadOptions& options_;
  std::string gguf_prefix_, hf_prefix_;
  std::vector<Binding> bindings_;
  std::vector<Linear> linears_;
  std::vector<Step> steps_;
  std::vector<std::string> ignored_;
  std::vector<ModelParameter> parameters_;
};

}  // namespace r1
