// What the writer writes, the reader reads: every metadata type, shapes, bytes, alignment.
#include "format/gguf_writer.h"

#include "format/test_bytes.h"

namespace r1 {
namespace {

TEST(GgufWriter, EveryMetadataTypeComesBack) {
  const TemporaryFolder folder;
  const GgufMetadata metadata = {
      {"u8", uint8_t{200}},
      {"i8", int8_t{-100}},
      {"u16", uint16_t{60000}},
      {"i16", int16_t{-30000}},
      {"u32", uint32_t{4000000000}},
      {"i32", int32_t{-2000000000}},
      {"f32", 0.1f},
      {"bool", true},
      {"string", std::string("zwölf \0 bytes", 14)},
      {"u64", uint64_t{1} << 63},
      {"i64", int64_t{-1} << 62},
      {"f64", 0.1},
      {"bools", GgufArray{std::vector<bool>{true, false, true}}},
      {"strings", GgufArray{std::vector<std::string>{"a", "", "c"}}},
      {"nested",
       GgufArray{std::vector<GgufArray>{{std::vector<int32_t>{1, 2}}, {std::vector<float>{}}}}},
  };
  auto writer = GgufWriter::create(folder.path("x.gguf"), metadata, {});
  ASSERT_TRUE(writer) << message(writer);
  ASSERT_TRUE(writer->finish());
  const auto file = WeightFile::open(folder.path("x.gguf"));
  ASSERT_TRUE(file) << message(file);
  ASSERT_EQ(file->metadata().size(), metadata.size());
  EXPECT_EQ(**file->integer("u8"), 200);
  EXPECT_EQ(**file->integer("i8"), -100);
  EXPECT_EQ(**file->integer("u16"), 60000);
  EXPECT_EQ(**file->integer("i16"), -30000);
  EXPECT_EQ(**file->integer("u32"), 4000000000);
  EXPECT_EQ(**file->integer("i32"), -2000000000);
  EXPECT_EQ(**file->number("f32"), 0.1f);
  EXPECT_EQ(**file->boolean("bool"), true);
  EXPECT_EQ(**file->text("string"), std::string("zwölf \0 bytes", 14));
  EXPECT_EQ(std::get<uint64_t>(*file->meta("u64")), uint64_t{1} << 63);
  EXPECT_EQ(**file->integer("i64"), int64_t{-1} << 62);
  EXPECT_EQ(**file->number("f64"), 0.1);
  const auto& nested = std::get<std::shared_ptr<const MetaArray>>(*file->meta("nested"))->items;
  EXPECT_EQ(std::get<std::vector<MetaValue>>(nested).size(), 2u);

  // And what was read becomes what was written, but for numbers that fit 32 bits.
  for (const auto& [key, value] : metadata) {
    const GgufValue again = gguf_value(*file->meta(key));
    const bool narrow = key == "u8" || key == "i8" || key == "u16" || key == "i16";
    EXPECT_TRUE(narrow || again.index() == value.index()) << key;
  }
}

TEST(GgufWriter, TensorsAreAlignedAndInOrder) {
  const TemporaryFolder folder;
  auto writer = GgufWriter::create(
      folder.path("x.gguf"), {{"general.architecture", "test"}},
      {{"a", DType::kF16, {3, 5}}, {"b", DType::kQ8_0, {2, 1, 32}}, {"c", DType::kF32, {1}}});
  ASSERT_TRUE(writer) << message(writer);
  std::vector<std::byte> data(30 + 68 + 4);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i);
  const std::span<const std::byte> bytes(data);
  ASSERT_TRUE(writer->write(bytes.first(7)));  // pieces need not end with tensors
  ASSERT_TRUE(writer->write(bytes.subspan(7, 50)));
  EXPECT_FALSE(file_exists(folder.path("x.gguf")));
  ASSERT_TRUE(writer->write(bytes.subspan(57)));
  const auto size = writer->finish();
  ASSERT_TRUE(size);
  EXPECT_EQ(*size % 32, 0u);
  const auto file = WeightFile::open(folder.path("x.gguf"));
  ASSERT_TRUE(file) << message(file);
  EXPECT_EQ(file->file_bytes(), *size);
  ASSERT_EQ(file->tensors().size(), 3u);
  size_t at = 0;
  for (const TensorInfo& t : file->tensors()) {
    EXPECT_EQ(std::memcmp(t.bytes.data(), data.data() + at, t.bytes.size()), 0) << t.name;
    at += t.bytes.size();
  }
  EXPECT_EQ(at, data.size());
  EXPECT_EQ(file->tensors()[1].shape, (std::vector<int64_t>{2, 1, 32}));
}

TEST(GgufWriter, RefusesWhatGgufCannotHold) {
  const TemporaryFolder folder;
  const auto refused = [&](GgufTensor t) {
    return message(GgufWriter::create(folder.path("x"), {}, {std::move(t)}));
  };
  EXPECT_SAYS(refused({"w", DType::kQ4_K, {2, 576}}),
              "rows of 576 elements cannot be Q4_K (blocks of 256)");
  EXPECT_SAYS(refused({"w", DType::kF8E4M3, {2, 2}}), "GGUF has no type F8_E4M3");
  EXPECT_SAYS(refused({"w", DType::kF32, {1, 1, 1, 1, 1}}), "5 dimensions, GGUF holds 1 to 4");
  EXPECT_SAYS(refused({std::string(64, 'n'), DType::kF32, {1}}), "64 bytes, the limit is 63");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path("")));
}

}  // namespace
}  // namespace r1
