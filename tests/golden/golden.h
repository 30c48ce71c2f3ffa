// What the golden tests share: loading a model, the tensors and numbers of a golden file, the
// largest difference.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/model.h"
#include "tests/support/must.h"
#include "tests/support/test_data.h"

namespace r1 {

inline std::unique_ptr<Model> load_model(const std::string& path, const LoadOptions& options,
                                         Context& ctx) {
  return must(Model::load(must(WeightFile::open(path)), options, ctx));
}

inline std::unique_ptr<Model> load_model(const std::string& path, Compute compute, Context& ctx) {
  return load_model(path, LoadOptions{.compute = compute}, ctx);
}

template <class T>
std::vector<T> golden_tensor(const WeightFile& file, const std::string& name) {
  const TensorInfo* t = file.find(name);
  if (!t || t->bytes.size() % sizeof(T) != 0) throw std::runtime_error("golden tensor " + name);
  std::vector<T> values(t->bytes.size() / sizeof(T));
  std::memcpy(values.data(), t->bytes.data(), t->bytes.size());
  return values;
}

inline float max_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) throw std::runtime_error("compared tensors differ in size");
  float most = 0;
  for (size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::fabs(a[i] - b[i]));  // false for NaN
  for (const float x : a) EXPECT_TRUE(std::isfinite(x));
  return most;
}

}  // namespace r1
