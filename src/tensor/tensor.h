// Activations: F32 on the CPU, row-major [rows, cols], shared by whoever holds them.
// Memory comes from a Context and goes back to it when the last holder lets go.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "base/error.h"

namespace r1 {

class Context;

class Tensor {
 public:
  Tensor() = default;  // none
  Tensor(std::shared_ptr<float> data, int64_t rows, int64_t cols)
      : data_(std::move(data)), rows_(rows), cols_(cols) {}

  explicit operator bool() const { return data_ != nullptr; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t size() const { return rows_ * cols_; }
  float* data() const { return data_.get(); }
  const std::shared_ptr<float>& memory() const { return data_; }
  std::span<float> row(int64_t i) const {
    R1_CHECK(i >= 0 && i < rows_);
    return {data() + i * cols_, static_cast<size_t>(cols_)};
  }

 private:
  std::shared_ptr<float> data_;
  int64_t rows_ = 0, cols_ = 0;
};

}  // namespace r1
