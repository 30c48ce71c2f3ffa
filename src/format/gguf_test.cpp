#include "format/gguf.h"

#include "format/test_bytes.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

constexpr uint32_t kU8 = 0, kU32 = 4, kF32 = 6, kBool = 7, kString = 8, kArray = 9, kU64 = 10;
constexpr uint32_t kTypeF32 = 0, kTypeQ4K = 12;

// One value and two tensors, of 32 and 64 bytes.
Bytes small_file() {
  Bytes b;
  b.gguf(2, 1).key("general.architecture", kString).string("llama");
  b.tensor("a", {4, 2}, kTypeF32, 0).tensor("b", {16}, kTypeF32, 32);
  return b.pad(32).zeros(96);
}

// A file that holds one tensor, laid out by the caller, and `data` bytes.
std::string tensor_refusal(std::string_view name, std::vector<uint64_t> dims, uint32_t type,
                           uint64_t offset, size_t data) {
  Bytes b;
  b.gguf(1, 0).tensor(name, std::move(dims), type, offset).pad(32).zeros(data);
  return refusal(b, "x.gguf");
}

TEST(Gguf, ReadsEveryKindOfValue) {
  Bytes b;
  b.gguf(0, 15);
  b.key("u8", 0).put<uint8_t>(200).key("i8", 1).put<int8_t>(-5);
  b.key("u16", 2).put<uint16_t>(60000).key("i16", 3).put<int16_t>(-300);
  b.key("u32", 4).put<uint32_t>(4'000'000'000).key("i32", 5).put<int32_t>(-7);
  b.key("f32", 6).put(0.5f).key("bool", 7).put<uint8_t>(1).key("text", 8).string("drei");
  b.key("u64", 10).put<uint64_t>(1).key("i64", 11).put<int64_t>(-9).key("f64", 12).put(0.25);
  b.key("list", 9).put(kF32).put<uint64_t>(2).put(1.5f).put(-2.5f);
  b.key("texts", 9).put(kString).put<uint64_t>(2).string("x").string("");
  b.key("nested", 9).put(kArray).put<uint64_t>(2);
  b.put(kU8)
      .put<uint64_t>(1)
      .put<uint8_t>(3)
      .put(kBool)
      .put<uint64_t>(2)
      .put<uint8_t>(1)
      .put<uint8_t>(0);
  const auto file = WeightFile::from_memory("x.gguf", b.span());
  ASSERT_EQ(message(file), "");
  EXPECT_EQ(**file->integer("u8"), 200);
  EXPECT_EQ(**file->integer("i8"), -5);
  EXPECT_EQ(**file->integer("u16"), 60000);
  EXPECT_EQ(**file->integer("i16"), -300);
  EXPECT_EQ(**file->integer("u32"), 4'000'000'000);
  EXPECT_EQ(**file->integer("i32"), -7);
  EXPECT_EQ(**file->number("f32"), 0.5);
  EXPECT_TRUE(**file->boolean("bool"));
  EXPECT_EQ(**file->text("text"), "drei");
  EXPECT_EQ(**file->integer("u64"), 1);
  EXPECT_EQ(**file->integer("i64"), -9);
  EXPECT_EQ(**file->number("f64"), 0.25);
  const auto array = [&](const char* key) {
    return std::get<std::shared_ptr<const MetaArray>>(*file->meta(key));
  };
  EXPECT_EQ(std::get<std::vector<double>>(array("list")->items), (std::vector<double>{1.5, -2.5}));
  EXPECT_EQ(std::get<std::vector<std::string_view>>(array("texts")->items),
            (std::vector<std::string_view>{"x", ""}));
  const auto& nested = std::get<std::vector<MetaValue>>(array("nested")->items);
  const auto& bools = std::get<std::shared_ptr<const MetaArray>>(nested.at(1));
  EXPECT_EQ(std::get<std::vector<bool>>(bools->items), (std::vector<bool>{true, false}));
}

TEST(Gguf, ReadsTensorsRowMajor) {
  const Bytes b = small_file();
  const auto file = WeightFile::from_memory("x.gguf", b.span());
  ASSERT_EQ(message(file), "");
  EXPECT_EQ(file->container(), Container::kGguf);
  ASSERT_EQ(file->tensors().size(), 2u);
  const TensorInfo* a = file->find("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->shape, (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(a->bytes.size(), 32u);
  EXPECT_EQ(a->bytes.data() + 32, file->find("b")->bytes.data());
  EXPECT_EQ(file->find("c"), nullptr);
}

TEST(Gguf, ReadsVersion2ButNoOther) {
  EXPECT_EQ(refusal(Bytes().gguf(0, 0, 2), "x.gguf"), "");
  EXPECT_SAYS(refusal(Bytes().gguf(0, 0, 1), "x.gguf"), "version 1 cannot be read");
  EXPECT_SAYS(refusal(Bytes().gguf(0, 0, 0x03000000), "x.gguf"), "little-endian");
}

TEST(Gguf, RefusesEveryTruncation) {
  expect_every_truncation_refused(small_file(), "x.gguf");
  Bytes values;
  values.gguf(0, 2)
      .key("a", kArray)
      .put(kArray)
      .put<uint64_t>(1)
      .put(kString)
      .put<uint64_t>(1)
      .string("text");
  values.key("b", kBool).put<uint8_t>(1);
  expect_every_truncation_refused(values, "x.gguf");
}

TEST(Gguf, RefusesCountsTheFileHasNoRoomFor) {
  EXPECT_SAYS(refusal(Bytes().gguf(1 << 20, 0), "x.gguf"),
              "tensor_count: 1048576 of them reach past the end");
  EXPECT_SAYS(refusal(Bytes().gguf(UINT64_MAX, 0), "x.gguf"),
              "tensor_count: 18446744073709551615, the limit is");
  EXPECT_SAYS(refusal(Bytes().gguf(0, 60000), "x.gguf"),
              "metadata_kv_count: 60000 of them reach past");
  const auto array = [](uint32_t type, uint64_t count) {
    return refusal(Bytes().gguf(0, 1).key("list", kArray).put(type).put(count).zeros(64), "x.gguf");
  };
  EXPECT_SAYS(array(kU64, 9), "list: 9 of them reach past the end of the file (64 bytes left)");
  EXPECT_SAYS(array(kString, 9), "list: 9 of them");
  EXPECT_SAYS(array(kU8, UINT64_MAX), "list: 18446744073709551615, the limit is 16777216");
  EXPECT_EQ(array(kU64, 8), "");
}

TEST(Gguf, RefusesStringsThatReachPastTheEnd) {
  EXPECT_SAYS(
      refusal(Bytes().gguf(0, 1).key("text", kString).put<uint64_t>(100).zeros(10), "x.gguf"),
      "text: 100 bytes at offset 48 reach past the end of the file (58 bytes)");
  EXPECT_SAYS(refusal(Bytes().gguf(0, 1).key("text", kString).put(UINT64_MAX).zeros(10), "x.gguf"),
              "text: 18446744073709551615 bytes");
  EXPECT_SAYS(refusal(Bytes().gguf(0, 1).put<uint64_t>(70000).zeros(80000), "x.gguf"),
              "metadata key: 70000 bytes long, the limit is 65535");
}

TEST(Gguf, RefusesUnknownAndUnfitValues) {
  EXPECT_SAYS(refusal(Bytes().gguf(0, 1).key("k", 13).zeros(8), "x.gguf"),
              "k: value type 13 is unknown");
  EXPECT_SAYS(refusal(Bytes().gguf(0, 1).key("k", kArray).put<uint32_t>(99).zeros(8), "x.gguf"),
              "k: array element type 99 is unknown");
  EXPECT_SAYS(refusal(Bytes().gguf(0, 1).key("k", kBool).put<uint8_t>(2), "x.gguf"),
              "k: 2 is not a bool");
  EXPECT_SAYS(refusal(Bytes().gguf(0, 1).key("", kBool).put<uint8_t>(1), "x.gguf"),
              "metadata key: it is empty");
  EXPECT_SAYS(refusal(Bytes().gguf(0, 1).key("a\x1b[2J", kBool).put<uint8_t>(1), "x.gguf"),
              "metadata key a\\x1b[2J: it holds a control character");
  EXPECT_SAYS(
      refusal(Bytes().gguf(0, 2).key("k", kU8).put<uint8_t>(1).key("k", kU8).put<uint8_t>(1),
              "x.gguf"),
      "metadata key k appears twice");
}

TEST(Gguf, RefusesArraysNestedWithoutEnd) {
  const auto nested = [](int depth) {
    Bytes b;
    b.gguf(0, 1).key("deep", kArray);
    for (int i = 1; i < depth; ++i) b.put(kArray).put<uint64_t>(1);
    return refusal(b.put(kU8).put<uint64_t>(1).put<uint8_t>(7), "x.gguf");
  };
  EXPECT_EQ(nested(kGgufNestingLimit), "");
  EXPECT_SAYS(nested(kGgufNestingLimit + 1), "deep: arrays nested more than 8 deep");
  EXPECT_SAYS(nested(100'000), "deep: arrays nested");
}

TEST(Gguf, RefusesAlignmentsThatAreNone) {
  const auto aligned = [](uint32_t alignment) {
    Bytes b;
    return refusal(b.gguf(0, 1).key("general.alignment", kU32).put(alignment), "x.gguf");
  };
  EXPECT_EQ(aligned(64), "");
  for (const uint32_t bad : {0u, 3u, 48u, 1u << 31}) {
    EXPECT_SAYS(aligned(bad),
                "general.alignment: " + std::to_string(bad) + " is not a power of two");
  }
  EXPECT_SAYS(refusal(Bytes().gguf(0, 1).key("general.alignment", kF32).put(32.0f), "x.gguf"),
              "general.alignment: not an unsigned integer");
}

TEST(Gguf, RefusesTensorsOutsideTheData) {
  EXPECT_EQ(tensor_refusal("t", {8}, kTypeF32, 0, 32), "");
  EXPECT_SAYS(tensor_refusal("t", {8}, kTypeF32, 32, 63),
              "tensor t: offset 32 + 32 bytes reaches past the end of the file's data (63 bytes)");
  EXPECT_SAYS(tensor_refusal("t", {8}, kTypeF32, UINT64_MAX - 31, 64), "reaches past the end");
  EXPECT_SAYS(tensor_refusal("t", {8}, kTypeF32, 8, 64),
              "tensor t: offset 8 is no multiple of the alignment 32");
  EXPECT_SAYS(tensor_refusal("t", {1 << 20, 1 << 20}, kTypeF32, 0, 64), "reaches past the end");
}

TEST(Gguf, RefusesShapesThatCannotBe) {
  EXPECT_SAYS(tensor_refusal("t", {1, 1, 1, 1, 1}, kTypeF32, 0, 64),
              "tensor t: 5 dimensions, the limit is 4");
  EXPECT_SAYS(tensor_refusal("t", {8, 0}, kTypeF32, 0, 64), "tensor t: dimension 1 is 0");
  EXPECT_SAYS(tensor_refusal("t", {1ull << 63}, kTypeF32, 0, 64),
              "tensor t: dimension 0 is 9223372036854775808");
  EXPECT_SAYS(tensor_refusal("t", {8, 1ull << 40, 1ull << 40}, kTypeF32, 0, 64),
              "does not fit in 64 bits");
  EXPECT_SAYS(tensor_refusal("t", {1ull << 62}, kTypeF32, 0, 64), "does not fit in 64 bits");
  EXPECT_SAYS(tensor_refusal("t", {128, 2}, kTypeQ4K, 0, 288),
              "tensor t: rows of 128 elements are no multiple of Q4_K's blocks of 256");
}

TEST(Gguf, RefusesTypesItCannotRead) {
  EXPECT_SAYS(tensor_refusal("t", {256}, 16, 0, 96), "tensor t: type IQ2_XXS (16) cannot be read");
  EXPECT_SAYS(tensor_refusal("t", {256}, 4, 0, 96),
              "tensor t: type 4 cannot be read; the types that can: F32 F16");
}

TEST(Gguf, RefusesNamesThatAreNone) {
  EXPECT_EQ(tensor_refusal(std::string(64, 'n'), {8}, kTypeF32, 0, 32), "");
  EXPECT_SAYS(tensor_refusal(std::string(65, 'n'), {8}, kTypeF32, 0, 32),
              "tensor name: 65 bytes long, the limit is 64");
  EXPECT_SAYS(tensor_refusal("", {8}, kTypeF32, 0, 32), "tensor name: it is empty");
  EXPECT_SAYS(tensor_refusal("a\nb", {8}, kTypeF32, 0, 32), "control character");
}

TEST(Gguf, RefusesTensorsThatShareBytesOrNames) {
  Bytes overlap;
  overlap.gguf(2, 0)
      .tensor("a", {16}, kTypeF32, 0)
      .tensor("b", {8}, kTypeF32, 32)
      .pad(32)
      .zeros(96);
  EXPECT_SAYS(refusal(overlap, "x.gguf"),
              "tensor b: offset 32 lies inside tensor a (64 bytes from 0)");
  Bytes twice;
  twice.gguf(2, 0).tensor("a", {8}, kTypeF32, 0).tensor("a", {8}, kTypeF32, 32).pad(32).zeros(64);
  EXPECT_SAYS(refusal(twice, "x.gguf"), "tensor a appears twice");
}

TEST(Gguf, ReadsARealModel) {
  R1_TEST_DATA(path, "models/stories260K/stories260K.f32.gguf");
  const auto file = WeightFile::open(path);
  ASSERT_EQ(message(file), "");
  EXPECT_EQ(file->tensors().size(), 47u);
  EXPECT_EQ(**file->text("general.architecture"), "llama");
  EXPECT_EQ(**file->integer("llama.block_count"), 5);
  EXPECT_EQ(file->find("blk.0.ffn_up.weight")->shape, (std::vector<int64_t>{172, 64}));
}

}  // namespace
}  // namespace r1
