// Every encoder: at most the plain encoder's error on the golden inputs, what it wrote is what it
// writes again, and the edge cases of a group (all zero, all equal, one outlier, huge, tiny).
#include <cmath>
#include <cstring>
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
    printf("%s: squared error %.4g of plain\n", std::string(t.name).c_str(),
           squared_error(x, ours, 0, x.size()) / squared_error(x, plain, 0, x.size()));
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

TEST(Encode, NormalWeightsHaveTheErrorTheBitsAllow) {
  const auto x = normal_values(64 * 256, 0.02, 1);
  const double power = squared_error(x, std::vector<float>(x.size()), 0, x.size());
  for (const DTypeInfo& t : written_types()) {
    const double noise = squared_error(x, round_trip(t, x), 0, x.size()) / power;
    printf("%s: %.3g\n", std::string(t.name).c_str(), noise);
  }
}

TEST(Encode, WhatWasWrittenIsFoundAgain) {
  const auto x = normal_values(16 * 256, 0.02, 2);
  for (const DTypeInfo& t : written_types()) {
    SCOPED_TRACE(t.name);
    const auto once = round_trip(t, x);
    const auto twice = round_trip(t, once);
    const double moved =
        squared_error(once, twice, 0, x.size()) / squared_error(x, once, 0, x.size());
    printf("%s: moved %.3g\n", std::string(t.name).c_str(), moved);
  }
}

}  // namespace
}  // namespace r1
