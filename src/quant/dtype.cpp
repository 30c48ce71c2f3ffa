// The table of element types. A new format is one file beside this one, two declarations in
// codecs.h, one line here.
#include "quant/dtype.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/checked.h"
#include "quant/codecs.h"

namespace r1 {
namespace {

// In the order of the enum.
constexpr std::array kTypes = {
    DTypeInfo{DType::kF32, "F32", 0, 1, 4, decode_f32, encode_f32},
    DTypeInfo{DType::kF16, "F16", 1, 1, 2, decode_f16, encode_f16},
    DTypeInfo{DType::kBF16, "BF16", 30, 1, 2, decode_bf16, encode_bf16},
    DTypeInfo{DType::kQ4_0, "Q4_0", 2, 32, 18, decode_q4_0, encode_q4_0},
    DTypeInfo{DType::kQ4_1, "Q4_1", 3, 32, 20, decode_q4_1, encode_q4_1},
    DTypeInfo{DType::kQ5_0, "Q5_0", 6, 32, 22, decode_q5_0, encode_q5_0},
    DTypeInfo{DType::kQ5_1, "Q5_1", 7, 32, 24, decode_q5_1, encode_q5_1},
    DTypeInfo{DType::kQ8_0, "Q8_0", 8, 32, 34, decode_q8_0, encode_q8_0},
    DTypeInfo{DType::kQ2_K, "Q2_K", 10, 256, 84, decode_q2_k, encode_q2_k},
    DTypeInfo{DType::kQ3_K, "Q3_K", 11, 256, 110, decode_q3_k, encode_q3_k},
    DTypeInfo{DType::kQ4_K, "Q4_K", 12, 256, 144, decode_q4_k, encode_q4_k},
    DTypeInfo{DType::kQ5_K, "Q5_K", 13, 256, 176, decode_q5_k, encode_q5_k},
    DTypeInfo{DType::kQ6_K, "Q6_K", 14, 256, 210, decode_q6_k, encode_q6_k},
    DTypeInfo{DType::kIQ4_NL, "IQ4_NL", 20, 32, 18, decode_iq4_nl, nullptr},
    DTypeInfo{DType::kIQ4_XS, "IQ4_XS", 23, 256, 136, decode_iq4_xs, nullptr},
    DTypeInfo{DType::kMXFP4, "MXFP4", 39, 32, 17, decode_mxfp4, nullptr},
    DTypeInfo{DType::kF8E4M3, "F8_E4M3", -1, 1, 1, decode_f8e4m3, nullptr},
    DTypeInfo{DType::kI8, "I8", 24, 1, 1, nullptr, nullptr},
    DTypeInfo{DType::kI16, "I16", 25, 1, 2, nullptr, nullptr},
    DTypeInfo{DType::kI32, "I32", 26, 1, 4, nullptr, nullptr},
    DTypeInfo{DType::kI64, "I64", 27, 1, 8, nullptr, nullptr},
    DTypeInfo{DType::kF64, "F64", 28, 1, 8, nullptr, nullptr},
    DTypeInfo{DType::kU8, "U8", -1, 1, 1, nullptr, nullptr},
    DTypeInfo{DType::kBool, "BOOL", -1, 1, 1, nullptr, nullptr},
};

constexpr bool in_enum_order() {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i].type != static_cast<DType>(i)) return false;
  }
  return kTypes.size() == static_cast<size_t>(DType::kBool) + 1;
}
static_assert(in_enum_order());

bool same_letters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::toupper(x) == std::toupper(y);
  });
}

}  // namespace

const DTypeInfo& info(DType type) { return kTypes[static_cast<size_t>(type)]; }

std::span<const DTypeInfo> all_dtypes() { return kTypes; }

std::optional<DType> dtype_from_gguf(uint32_t id) {
  for (const DTypeInfo& t : kTypes) {
    if (t.gguf_id >= 0 && static_cast<uint32_t>(t.gguf_id) == id) return t.type;
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeInfo& t : kTypes) {
    if (same_letters(t.name, name)) return t.type;
  }
  return std::nullopt;
}

std::optional<uint64_t> stored_bytes(DType type, uint64_t rows, uint64_t cols) {
  const DTypeInfo& t = info(type);
  const auto block = static_cast<uint64_t>(t.block);
  if (cols % block != 0) return std::nullopt;
  const auto row_bytes = checked_mul(cols / block, static_cast<uint64_t>(t.block_bytes));
  return row_bytes ? checked_mul(rows, *row_bytes) : std::nullopt;
}

}  // namespace r1
