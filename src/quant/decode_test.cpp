// Every decoder against the golden values, bit for bit, and the table's own promises.
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "quant/dtype.h"
#include "quant/fp8.h"
#include "quant/half.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

TEST(Decode, EveryGoldenTypeBitForBit) {
  R1_TEST_DATA(folder, "golden/quant");
  int seen = 0;
  for (const DTypeInfo& t : all_dtypes()) {
    const std::string stem = folder + "/" + std::string(t.name);
    if (find_test_data("golden/quant/" + std::string(t.name) + ".bytes").empty()) continue;
    SCOPED_TRACE(t.name);
    const std::string blocks = read_test_file(stem + ".bytes");
    const std::string golden = read_test_file(stem + ".f32");
    const size_t n = golden.size() / 4;
    ASSERT_EQ(stored_bytes(t.type, 1, n), blocks.size());
    std::vector<float> values(n);
    t.decode(reinterpret_cast<const std::byte*>(blocks.data()), values.data(), n);
    EXPECT_EQ(std::memcmp(values.data(), golden.data(), golden.size()), 0);
    ++seen;
  }
  EXPECT_EQ(seen, 15);  // all that may be weights, but F32 and F8E4M3
}

TEST(Decode, BlocksNeedNoAlignment) {
  for (const DTypeInfo& t : all_dtypes()) {
    if (!t.decode) continue;
    SCOPED_TRACE(t.name);
    std::vector<std::byte> bytes(static_cast<size_t>(t.block_bytes) + 1, std::byte{0x21});
    std::vector<float> at_0(static_cast<size_t>(t.block)), at_1 = at_0;
    t.decode(bytes.data(), at_0.data(), at_0.size());
    t.decode(bytes.data() + 1, at_1.data(), at_1.size());
    EXPECT_EQ(at_0, at_1);
  }
}

TEST(DType, NamesAndIdsFindTheirType) {
  for (const DTypeInfo& t : all_dtypes()) {
    EXPECT_EQ(dtype_from_name(t.name), t.type);
    if (t.gguf_id < 0) continue;
    EXPECT_EQ(dtype_from_gguf(static_cast<uint32_t>(t.gguf_id)), t.type);
  }
  EXPECT_EQ(dtype_from_name("q4_k"), DType::kQ4_K);
  EXPECT_EQ(dtype_from_name("Q4"), std::nullopt);
  EXPECT_EQ(dtype_from_gguf(4), std::nullopt);  // removed from GGUF
  EXPECT_EQ(dtype_from_gguf(0xffffffffu), std::nullopt);
}

TEST(DType, StoredBytesRefusesPartBlocksAndOverflow) {
  EXPECT_EQ(stored_bytes(DType::kQ4_K, 2, 512), 2u * 2 * 144);
  EXPECT_EQ(stored_bytes(DType::kQ4_K, 2, 576), std::nullopt);
  EXPECT_EQ(stored_bytes(DType::kF32, 1ull << 40, 1ull << 40), std::nullopt);
}

TEST(Half, EveryF16AndBF16RoundTrips) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto half = static_cast<uint16_t>(i);
    const float f = f16_to_f32(half), b = bf16_to_f32(half);
    const uint16_t f_back = f32_to_f16(f), b_back = f32_to_bf16(b);
    ASSERT_TRUE(std::isnan(f) ? std::isnan(f16_to_f32(f_back)) : f_back == half) << i;
    ASSERT_TRUE(std::isnan(b) ? std::isnan(bf16_to_f32(b_back)) : b_back == half) << i;
  }
}

TEST(Half, F16AgreesWithTheDefinition) {
  for (uint32_t i = 0; i < 0x7c00; ++i) {
    const int exponent = static_cast<int>(i >> 10);
    const int mantissa = static_cast<int>(i & 0x3ff);
    const double value =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    ASSERT_EQ(f16_to_f32(static_cast<uint16_t>(i)), value);
    // Half way to the next one goes to the even neighbour; a hair to either side goes to the nearer
    // one.
    const float next = i + 1 == 0x7c00 ? 65536.0f : f16_to_f32(static_cast<uint16_t>(i + 1));
    const float middle = (static_cast<float>(value) + next) / 2;
    ASSERT_EQ(f32_to_f16(middle), i + (i & 1));
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), i);
    ASSERT_EQ(f32_to_f16(-std::nextafter(middle, 1e9f)), 0x8000u + i + 1);
  }
}

TEST(Half, BF16RoundsTiesToEven) {
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
}

TEST(Fp8, EveryByteAgreesWithTheDefinition) {
  for (int i = 0; i < 128; ++i) {
    const float value = f8e4m3_to_f32(static_cast<uint8_t>(i));
    if (i == 127) {
      EXPECT_TRUE(std::isnan(value));
      continue;
    }
    const double want = i < 8 ? std::ldexp(i, -9) : std::ldexp(8 + i % 8, i / 8 - 10);
    EXPECT_EQ(value, want);
    EXPECT_EQ(f8e4m3_to_f32(static_cast<uint8_t>(i + 128)), -want);
  }
}

TEST(Fp8, ScalesFollowTheirBlocksToTheRaggedEnd) {
  constexpr int64_t rows = 130, cols = 200;
  std::vector<std::byte> bytes(rows * cols, std::byte{0x38});  // 1.0
  const float scales[2][2] = {{1, 2}, {3, 4}};
  std::vector<float> values(rows * cols);
  decode_fp8_rows(bytes.data(), reinterpret_cast<const std::byte*>(scales), cols, 0, rows,
                  values.data());
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < cols; ++j) ASSERT_EQ(values[i * cols + j], scales[i / 128][j / 128]);
  }
  std::vector<float> last(cols);
  decode_fp8_rows(bytes.data(), reinterpret_cast<const std::byte*>(scales), cols, rows - 1, rows,
                  last.data());
  EXPECT_TRUE(std::equal(last.begin(), last.end(), values.end() - cols));
}

}  // namespace
}  // namespace r1
