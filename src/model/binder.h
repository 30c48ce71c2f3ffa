// From a checkpoint's tensors to a model's weights. A model binds every field to a name and a
// shape; then all mismatches are reported together, or everything is packed for the kernels of this
// machine.
#pragma once

#include <cstdint>
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
  // Borrows `file`.
  explicit Binder(const WeightFile& file) : file_(file) {}

  // Prepended to the names that follow: ("blk.3.", "model.layers.3.").
  void prefix(std::string gguf, std::string hf);

  // field (Weight; Tensor for vectors; StoredMatrix for embeddings), GGUF name, Hugging Face name,
  // shape as torch prints it. load() fills the field, which must stay where it is until then.
  template <class T>
  void bind(T& field, std::string_view gguf, std::string_view hf, std::vector<int64_t> shape) {
    add(&field, gguf, hf, std::move(shape));
  }

  // Checks every binding and that every tensor of the file is bound, reports all that is wrong,
  // then fills the fields. Returns the bytes resident afterwards. Embeddings stay mapped: the
  // caller keeps the file's mapping.
  Result<uint64_t> load(Context& ctx, const LoadOptions& options);

 private:
  using Field = std::variant<Weight*, StoredMatrix*, Tensor*>;
  struct Binding {
    Field field;
    std::string name;
    std::vector<int64_t> shape;
    const TensorInfo* found = nullptr;
    StoredMatrix stored{};                 // of weights and embeddings
    const MatmulKernel* kernel = nullptr;  // of weights
  };

  void add(Field field, std::string_view gguf, std::string_view hf, std::vector<int64_t> shape);
  Result<void> match(Binding& b, const Context& ctx, Compute compute) const;
  Result<void> read_scales(Binding& b) const;
  std::vector<std::string> unused() const;
  Result<void> check(const Context& ctx, Compute compute);

  const WeightFile& file_;
  std::string gguf_prefix_, hf_prefix_;
  std::vector<Binding> bindings_;
};

}  // namespace r1
