// Every encoder: at most the plain encoder's error on the golden inputs, what it wrote is what it
// writes again, and the edge cases of a group (all zero, all equal, one outlier, huge, tiny).
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "quant/dtype.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

std::vector<float> round_trip(const DTypeInfo& t, const std::vector<float>& x,
                              const float* importance = nullptr) {
  std::vector<std::byte> blocks(x.size() / static_cast<size_t>(t.block) *
                                static_cast<size_t>(t.block_bytes));
  t.encode(x.data(), blocks.data(), x.size(), importance);
  std::vector<float> y(x.size());
  t.decode(blocks.data(), y.data(), y.size());
  return y;
}

double squared_error(const std::vector<float>& x, const std::vector<float>& y, size_t begin,
                     size_t n) {
  double sum = 0;
  for (size_t i = begin; i < begin + n; ++i)
    sum += (static_cast<double>(x[i]) - y[i]) * (static_cast<double>(x[i]) - y[i]);
  return sum;
}

std::vector<float> read_floats(const std::string& path) {
  const std::string bytes = read_test_file(path);
  std::vector<float> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<float> normal_values(size_t n, double scale, uint64_t seed) {
  std::vector<float> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = static_cast<float>(scale * normal(seed, 0, i));
  return x;
}

std::vector<DTypeInfo> written_types() {
  std::vector<DTypeInfo> types;
  for (const DTypeInfo& t : all_dtypes()) {
    if (t.encode) types.push_back(t);
  }
  return types;
}

TEST(Encode, NoBlockIsWorseThanThePlainEncoders) {
  R1_TEST_DATA(folder, "golden/quant");
  int seen = 0;
  for (const DTypeInfo& t : written_types()) {
    const std::string stem = folder + "/" + std::string(t.name);
    if (find_test_data("golden/quant/" + std::string(t.name) + ".input.f32").empty()) continue;
    SCOPED_TRACE(t.name);
    const auto x = read_floats(stem + ".input.f32");
    const auto plain = read_floats(stem + ".f32");
    const auto ours = round_trip(t, x);
    for (size_t i = 0; i < x.size(); i += 32) {
      ASSERT_LE(squared_error(x, ours, i, 32), squared_error(x, plain, i, 32) * (1 + 1e-5))
          << "block " << i / 32;
    }
    ++seen;
  }
  EXPECT_EQ(seen, 7);
}

TEST(Encode, HalvesAreTheGoldenBytes) {
  R1_TEST_DATA(folder, "golden/quant");
  for (const DType type : {DType::kF16, DType::kBF16}) {
    const std::string stem = folder + "/" + std::string(info(type).name);
    const auto x = read_floats(stem + ".input.f32");
    std::string bytes(x.size() * 2, '\0');
    info(type).encode(x.data(), reinterpret_cast<std::byte*>(bytes.data()), x.size(), nullptr);
    EXPECT_EQ(bytes, read_test_file(stem + ".bytes")) << info(type).name;
  }
}

// Relative squared error on normal weights, a little above what is measured: a search that stops
// working shows.
TEST(Encode, NormalWeightsHaveTheErrorTheBitsAllow) {
  const auto x = normal_values(64 * 256, 0.02, 1);
  const double power = squared_error(x, std::vector<float>(x.size()), 0, x.size());
  const std::map<std::string_view, double> limits = {
      {"F32", 0},       {"F16", 5e-8},     {"BF16", 3e-6},   {"Q4_0", 6.8e-3}, {"Q4_1", 5e-3},
      {"Q5_0", 1.7e-3}, {"Q5_1", 1.2e-3},  {"Q8_0", 2.5e-5}, {"Q2_K", 7e-2},   {"Q3_K", 2.1e-2},
      {"Q4_K", 5.1e-3}, {"Q5_K", 1.25e-3}, {"Q6_K", 2.9e-4}};
  for (const DTypeInfo& t : written_types()) {
    EXPECT_LE(squared_error(x, round_trip(t, x), 0, x.size()) / power, limits.at(t.name)) << t.name;
  }
}

// Weights that lie on a grid of the type are kept, and quantizing again changes nothing. The scales
// of Q4_K and Q5_K are searched, not enumerated, so there something may move.
TEST(Encode, WhatWasWrittenIsFoundAgain) {
  const auto x = normal_values(16 * 256, 0.02, 2);
  for (const DTypeInfo& t : written_types()) {
    const auto once = round_trip(t, x);
    const double moved = squared_error(once, round_trip(t, once), 0, x.size());
    const bool searched = t.name.ends_with("_K") && t.type != DType::kQ6_K;
    EXPECT_LE(moved, searched ? 0.02 * squared_error(x, once, 0, x.size()) : 0) << t.name;
  }
}

// A Q4_1 model published as BF16: the rounding hides the grid, Q4_1 and Q5_1 (every other level)
// find it.
TEST(Encode, GridsShowThroughBF16) {
  const auto on_grid = round_trip(info(DType::kQ4_1), normal_values(16 * 256, 0.02, 3));
  const auto x = round_trip(info(DType::kBF16), on_grid);
  const double rounding = squared_error(on_grid, x, 0, x.size());
  for (const DType type : {DType::kQ4_1, DType::kQ5_1}) {
    EXPECT_LE(squared_error(on_grid, round_trip(info(type), x), 0, x.size()), rounding)
        << info(type).name;
  }
}

TEST(Encode, ImportantElementsComeOutBetter) {
  const auto x = normal_values(256 * 16, 0.02, 4);
  std::vector<float> importance(x.size(), 1);
  for (size_t i = 0; i < x.size(); i += 8) importance[i] = 100;
  for (const DTypeInfo& t : written_types()) {
    if (t.block == 1) continue;
    const auto plain = round_trip(t, x), weighted = round_trip(t, x, importance.data());
    double before = 0, after = 0;
    for (size_t i = 0; i < x.size(); i += 8) {
      before += std::pow(x[i] - plain[i], 2);
      after += std::pow(x[i] - weighted[i], 2);
    }
    EXPECT_LT(after, 0.9 * before) << t.name;
  }
}

TEST(Encode, EdgesOfAGroup) {
  const auto expect_near = [](const std::vector<float>& x, double tolerance) {
    for (const DTypeInfo& t : written_types()) {
      const auto y = round_trip(t, x);
      for (size_t i = 0; i < x.size(); ++i)
        ASSERT_NEAR(x[i], y[i], tolerance) << t.name << " element " << i;
    }
  };
  expect_near(std::vector<float>(256, 0), 0);
  expect_near(std::vector<float>(256, 0.25f), 1e-3);
  expect_near(std::vector<float>(256, -0.25f), 1e-3);
  std::vector<float> x(256);
  x[17] = -3;  // an outlier among zeros
  expect_near(x, 2e-3);
  expect_near(normal_values(256, 1e-30, 5), 1e-28);
  expect_near(std::vector<float>(256, 65504), 300);
  x.assign(256, 0);
  std::vector<float> nothing_counts(256, 0);
  for (const DTypeInfo& t : written_types()) {
    for (const float y : round_trip(t, normal_values(256, 1, 6), nothing_counts.data()))
      ASSERT_TRUE(std::isfinite(y)) << t.name;
  }
}

}  // namespace
}  // namespace r1
