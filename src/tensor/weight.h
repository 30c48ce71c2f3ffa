// A weight matrix [rows, cols], repacked for the one kernel that will multiply it: (dtype,
// arithmetic, instruction set) are properties of the weight, and no model file knows them. F8E4M3,
// which no kernel multiplies, becomes F32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/matmul/matmul.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace r1 {

// A matrix as a file stores it. Its bytes are borrowed.
struct StoredMatrix {
  DType dtype = DType::kF32;
  int64_t rows = 0, cols = 0;
  const std::byte* bytes = nullptr;  // stored_bytes(dtype, rows, cols) of them
  // F8E4M3: a scale for every scale_rows x scale_cols block [ceil(rows / scale_rows), ceil(cols /
  // scale_cols)] (DeepSeek-V3 technical report, 3.3.1); none where empty.
  std::vector<float> scales = {};
  int64_t scale_rows = 0, scale_cols = 0;
  bool mapped = false;  // bytes are a file's read-only mapping: its pages can be dropped

  const std::byte* row_bytes(int64_t row) const;
  void decode_row(int64_t row,
                  float* values) const;  // [cols], exact (F8E4M3 times its scale, rounded to F32)
  // Rows [first, first + n) as a matrix: one of a stack. Without block scales only.
  StoredMatrix slice(int64_t first, int64_t n) const;
};

class Weight {
 public:
  Weight() = default;  // none
  // Null where the type is never a weight.
  static const MatmulKernel* kernel_for(DType dtype, Compute compute, Isa isa);
  static uint64_t packed_bytes(const MatmulKernel& kernel, int64_t rows, int64_t cols);
  // Packs row groups in parallel into `memory`, packed_bytes long and aligned to 64, which the
  // weight shares. Drops a mapped file's pages as it goes, so that no weight is resident twice.
  static Weight pack(Context& ctx, const StoredMatrix& stored, const MatmulKernel& kernel,
                     std::shared_ptr<std::byte> memory);

  // A weight that learns: the products of `values` [rows, cols], which its owner changes, in a
  // type (F32 or BF16, to which they are rounded). Turned: of their transpose. refresh() follows a
  // change.
  static Weight trainable(Context& ctx, const Tensor& values, DType dtype, bool turned = false);
  bool learns() const { return learning_ != nullptr; }

  // A low-rank update beside a weight that stays as it was loaded, whatever its type (Hu et al.
  // 2021): linear() gives x W^T + scale (x A^T) B^T. A and B learn, in F32, and are refreshed.
  struct Lora {
    Weight* a() const { return weights.get(); }      // [r, cols]
    Weight* b() const { return weights.get() + 1; }  // [rows, r]
    std::shared_ptr<Weight[]> weights;
    float scale = 0;
  };
  // `stored`: what this weight was packed from; its bytes stay valid, for gradients by x.
  void adapt(const StoredMatrix& stored, Lora lora);
  void keep(const StoredMatrix& stored);  // the same without an update
  const Lora* lora() const;               // none: null
  const StoredMatrix* stored() const;     // not kept: null

  bool turned() const;
  void refresh(Context& ctx);
  const Tensor& values() const;  // none where it does not learn

  explicit operator bool() const { return kernel_ != nullptr; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t n_groups() const { return (rows_ + kernel_->row_group - 1) / kernel_->row_group; }
  size_t group_bytes() const { return kernel_->packed_bytes(cols_); }
  const MatmulKernel& kernel() const { return *kernel_; }
  const std::byte* group(int64_t g) const {
    return packed_.get() + static_cast<size_t>(g) * group_bytes();
  }

 private:
  const MatmulKernel* kernel_ = nullptr;
  int64_t rows_ = 0, cols_ = 0;
  std::shared_ptr<const std::byte> packed_;
  struct Learning;  // what only a weight that learns has
  std::shared_ptr<Learning> learning_;
  struct Base;  // what only one has that gradients pass through but do not change
  std::shared_ptr<const Base> base_;
};

// Packs matrices one after another into memory of their own; returns its bytes. Errors name a type
// that no kernel multiplies, or the memory asked for.
struct Packing {
  Weight* to;
  const StoredMatrix* from;
};
Result<uint64_t> pack_all(Context& ctx, Compute compute, std::span<const Packing> matrices);

// Memory for weights that live long and are read in order: whole pages, huge ones where the system
// has them.
Result<std::shared_ptr<std::byte>> reserve_pages(uint64_t bytes);

}  // namespace r1
