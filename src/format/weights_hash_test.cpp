#include "format/weights_hash.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(WeightsHash, DependsOnTensorsAloneNotOnTheirPlaces) {
  const std::vector<float> a = {1, 2, 3, 4}, b = {5, 6}, other = {5, 7};
  const auto tensor = [](const char* name, std::vector<int64_t> shape,
                         const std::vector<float>& v) {
    return TensorInfo{name, DType::kF32, std::move(shape), std::as_bytes(std::span(v))};
  };
  const auto file = WeightFile::from_memory("config.json", std::as_bytes(std::span("{}", 2)));
  ASSERT_TRUE(file) << file.error().message;
  const auto hash = [&](std::vector<TensorInfo> tensors) {
    const auto with = file->with_tensors(std::move(tensors));
    EXPECT_TRUE(with);
    return weights_hash(*with);
  };
  const std::string of_both = hash({tensor("a", {2, 2}, a), tensor("b", {2}, b)});
  EXPECT_EQ(of_both.size(), 32u);
  EXPECT_EQ(hash({tensor("b", {2}, b), tensor("a", {2, 2}, a)}), of_both);
  EXPECT_NE(hash({tensor("a", {4}, a), tensor("b", {2}, b)}), of_both);
  EXPECT_NE(hash({tensor("c", {2, 2}, a), tensor("b", {2}, b)}), of_both);
  EXPECT_NE(hash({tensor("a", {2, 2}, a), tensor("b", {2}, other)}), of_both);
}

}  // namespace
}  // namespace r1
