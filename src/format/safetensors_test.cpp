#include "format/safetensors.h"

#include "format/safetensors_writer.h"
#include "format/test_bytes.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

std::string refused(std::string_view header, size_t data = 0) {
  return refusal(Bytes::safetensors(header, data), "x.safetensors");
}

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirBytes) {
  const Bytes b = Bytes::safetensors(
      R"({"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[8,20]},"__metadata__":{"format":"pt"},)"
      R"("a":{"shape":[],"data_offsets":[0,8],"dtype":"I64"},"e":{"dtype":"F32","shape":[0,7],"data_offsets":[8,8]}})",
      20);
  const auto file = WeightFile::from_memory("x.safetensors", b.span());
  ASSERT_EQ(message(file), "");
  EXPECT_EQ(file->container(), Container::kSafetensors);
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->tensors()[0].name, "a");
  EXPECT_EQ(file->tensors()[1].name, "e");
  EXPECT_EQ(file->tensors()[2].name, "b");
  EXPECT_EQ(file->find("b")->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file->find("b")->dtype, DType::kBF16);
  EXPECT_EQ(**file->text("__metadata__.format"), "pt");
}

TEST(Safetensors, ReadsEveryElementType) {
  for (const char* name :
       {"F64", "F32", "F16", "BF16", "F8_E4M3", "I64", "I32", "I16", "I8", "U8", "BOOL"}) {
    const auto bytes = static_cast<size_t>(info(*dtype_from_name(name)).block_bytes) * 2;
    EXPECT_EQ(refused(fmt::format(R"({{"t":{{"dtype":"{}","shape":[2],"data_offsets":[0,{}]}}}})",
                                  name, bytes),
                      bytes),
              "");
  }
  EXPECT_SAYS(refused(R"({"t":{"dtype":"Q4_K","shape":[256],"data_offsets":[0,144]}})", 144),
              "tensor t: dtype Q4_K cannot be read");
  EXPECT_SAYS(refused(R"({"t":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}})", 4),
              "dtype f32 cannot be read");
}

TEST(Safetensors, RefusesEveryTruncation) {
  expect_every_truncation_refused(
      Bytes::safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8),
      "x.safetensors");
}

TEST(Safetensors, RefusesHeadersThatLie) {
  EXPECT_SAYS(refusal(Bytes().put<uint64_t>(100).raw("{}"), "x.safetensors"),
              "header length: 100 bytes reach past the end of the file (10 bytes)");
  EXPECT_SAYS(refusal(Bytes().put(UINT64_MAX).raw("{}"), "x.safetensors"),
              "the limit is 100000000");
  EXPECT_SAYS(refused(""), "header: it does not start with '{'");
  EXPECT_SAYS(refused("[1]"), "header: it does not start with '{'");
  EXPECT_SAYS(refused(R"({"a":)"), "header: parse error");
  EXPECT_SAYS(refused(std::string(R"({"a":)") + std::string(100'000, '[')),
              "header entry a: an array in the wrong place");
  EXPECT_SAYS(refused("{\"a\xff\":1}"), "invalid string");
}

TEST(Safetensors, RefusesEntriesThatAreNone) {
  EXPECT_SAYS(refused(R"({"a":5})"), "header entry a: a bare value in the wrong place");
  EXPECT_SAYS(refused(R"({"a":{"dtype":{}}})"), "header entry a: an object in the wrong place");
  EXPECT_SAYS(refused(R"({"a":{"dtype":7}})"),
              "header entry a: a bare value in the wrong place (field 'dtype')");
  EXPECT_SAYS(refused(R"({"a":{"colour":"red"}})"), "a text in the wrong place (field 'colour')");
  EXPECT_SAYS(refused(R"({"a":{"shape":[[1]]}})"), "an array in the wrong place");
  EXPECT_SAYS(refused(R"({"a":{}})"), "tensor a: dtype is missing");
  EXPECT_SAYS(refused(R"({"a":{"dtype":"F32","shape":[]}})"), "tensor a: data_offsets is missing");
  EXPECT_SAYS(refused(R"({"__metadata__":{"a":1}})"), "header entry __metadata__: a bare value");
  EXPECT_SAYS(refused(R"({"a\u001b":{}})"), "tensor a\\x1b: it holds a control character");
  EXPECT_SAYS(refused(R"({"":{}})"), "tensor: it is empty");
}

TEST(Safetensors, RefusesRepeatedKeys) {
  EXPECT_SAYS(refused(R"({"a":{"dtype":"F32","dtype":"F32"}})"), "tensor a: dtype appears twice");
  EXPECT_SAYS(refused(R"({"a":{"shape":[1],"shape":[1]}})"), "tensor a: shape appears twice");
  EXPECT_SAYS(refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                      R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                      2),
              "tensor a appears twice");
  EXPECT_SAYS(refused(R"({"__metadata__":{"k":"1","k":"2"}})"),
              "metadata key __metadata__.k appears twice");
}

TEST(Safetensors, RefusesShapesAndOffsetsThatCannotBe) {
  const auto entry = [](std::string_view shape, std::string_view offsets, size_t data) {
    return refused(
        fmt::format(R"({{"t":{{"dtype":"F32","shape":{},"data_offsets":{}}}}})", shape, offsets),
        data);
  };
  EXPECT_EQ(entry("[2]", "[0,8]", 8), "");
  EXPECT_SAYS(entry("[2]", "[0,8]", 4),
              "tensor t: data_offsets [0, 8] reach past the end of the data (4 bytes)");
  EXPECT_SAYS(entry("[2]", "[8,0]", 8), "data_offsets [8, 0] end before they begin");
  EXPECT_SAYS(entry("[2]", "[0]", 8), "data_offsets has 1 numbers, not 2");
  EXPECT_SAYS(entry("[3]", "[0,8]", 8), "3 elements of F32 do not make the 8 bytes");
  EXPECT_SAYS(entry("[-2]", "[0,8]", 8), "shape holds what is no whole number");
  EXPECT_SAYS(entry("[2.0]", "[0,8]", 8), "shape holds what is no whole number");
  EXPECT_SAYS(entry("[18446744073709551615]", "[0,8]", 8), "shape holds what is no whole number");
  EXPECT_SAYS(entry("[4294967296,4294967296]", "[0,8]", 8), "does not fit in 64 bits");
  EXPECT_SAYS(entry("[4611686018427387904]", "[0,0]", 0), "do not make the 0 bytes");
  EXPECT_SAYS(entry("[1,1,1,1,1,1,1,1,2]", "[0,8]", 8), "shape has more than 8 numbers");
}

TEST(Safetensors, RefusesHolesAndOverlaps) {
  const auto two = [](std::string_view first, std::string_view second, size_t data) {
    return refused(fmt::format(R"({{"a":{{"dtype":"U8","shape":[4],"data_offsets":{}}},)"
                               R"("b":{{"dtype":"U8","shape":[4],"data_offsets":{}}}}})",
                               first, second),
                   data);
  };
  EXPECT_EQ(two("[0,4]", "[4,8]", 8), "");
  EXPECT_EQ(two("[4,8]", "[0,4]", 8), "");
  EXPECT_SAYS(two("[0,4]", "[5,9]", 9),
              "tensor b: data_offsets begin at 5, with a hole after the tensor before");
  EXPECT_SAYS(two("[0,4]", "[3,7]", 7),
              "tensor b: data_offsets begin at 3, inside the tensor before");
  EXPECT_SAYS(two("[0,4]", "[0,4]", 4), "inside the tensor before");
  EXPECT_SAYS(two("[1,5]", "[5,9]", 9), "tensor a: data_offsets begin at 1, with a hole");
  EXPECT_SAYS(two("[0,4]", "[4,8]", 9), "the tensors end at byte 8 of the data, which has 9 bytes");
  EXPECT_SAYS(refused("{}", 1), "the tensors end at byte 0 of the data, which has 1 bytes");
}

TEST(Safetensors, WritesWhatItReads) {
  const TemporaryFolder folder;
  const float values[] = {1, 2, 3, 4, 5, 6};
  const int32_t ids[] = {7, 8};
  const std::vector<TensorInfo> tensors = {
      {"logits \"0\"", DType::kF32, {2, 3}, std::as_bytes(std::span(values))},
      {"greedy", DType::kI32, {2}, std::as_bytes(std::span(ids))},
      {"none", DType::kF32, {0}, {}}};
  const std::string path = folder.path("out.safetensors");
  ASSERT_EQ(message(write_safetensors(path, tensors)), "");
  const auto file = WeightFile::open(path);
  ASSERT_EQ(message(file), "");
  for (const TensorInfo& t : tensors) {
    const TensorInfo* read = file->find(t.name);
    ASSERT_TRUE(read) << t.name;
    EXPECT_EQ(read->dtype, t.dtype);
    EXPECT_EQ(read->shape, t.shape);
    EXPECT_TRUE(std::equal(read->bytes.begin(), read->bytes.end(), t.bytes.begin(), t.bytes.end()));
  }
  EXPECT_SAYS(message(write_safetensors("/nowhere/out.safetensors", tensors)), "cannot create");
}

TEST(Safetensors, ReadsARealCheckpoint) {
  R1_TEST_DATA(path, "golden/deepseek_v3_fp8/model.safetensors");
  const auto file = WeightFile::open(path);
  ASSERT_EQ(message(file), "");
  const TensorInfo* q = file->find("model.layers.0.self_attn.q_a_proj.weight");
  const TensorInfo* scale = file->find("model.layers.0.self_attn.q_a_proj.weight_scale_inv");
  ASSERT_TRUE(q && scale);
  EXPECT_EQ(q->dtype, DType::kF8E4M3);
  EXPECT_EQ(q->shape, (std::vector<int64_t>{96, 288}));
  EXPECT_EQ(scale->shape, (std::vector<int64_t>{1, 3}));
}

}  // namespace
}  // namespace r1
