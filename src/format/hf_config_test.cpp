#include "format/hf_config.h"

#include "format/test_bytes.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

Result<WeightFile> config(std::string_view json) {
  return WeightFile::from_memory("config.json", std::as_bytes(std::span(json.data(), json.size())));
}

TEST(HfConfig, FlattensWithDots) {
  const auto file = config(
      R"({"a":{"b":{"c":1.5},"d":true},"n":null,"i":-3,"big":18446744073709551615,"huge":1e30,"t":"x"})");
  ASSERT_EQ(message(file), "");
  EXPECT_EQ(**file->number("a.b.c"), 1.5);
  EXPECT_EQ(**file->boolean("a.d"), true);
  EXPECT_EQ(file->meta("n"), nullptr);
  EXPECT_EQ(**file->integer("i"), -3);
  EXPECT_EQ(std::get<uint64_t>(*file->meta("big")), UINT64_MAX);
  EXPECT_EQ(**file->number("huge"), 1e30);
  EXPECT_EQ(**file->text("t"), "x");
  EXPECT_EQ(file->metadata().front().first, "a.b.c");
}

TEST(HfConfig, KeepsArraysByElementType) {
  const auto file = config(
      R"({"i":[1,2],"f":[1,2.5],"s":["a","b\n"],"b":[true],"e":[],"m":[1,"x",null,[2]],"o":[{"k":1},{"k":2}]})");
  ASSERT_EQ(message(file), "");
  const auto array = [&](const char* key) {
    return std::get<std::shared_ptr<const MetaArray>>(*file->meta(key));
  };
  EXPECT_EQ(std::get<std::vector<int64_t>>(array("i")->items), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(std::get<std::vector<double>>(array("f")->items), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(std::get<std::vector<std::string_view>>(array("s")->items),
            (std::vector<std::string_view>{"a", "b\n"}));
  EXPECT_EQ(std::get<std::vector<bool>>(array("b")->items), std::vector<bool>{true});
  EXPECT_TRUE(std::get<std::vector<MetaValue>>(array("e")->items).empty());
  const auto& mixed = std::get<std::vector<MetaValue>>(array("m")->items);
  ASSERT_EQ(mixed.size(), 4u);
  EXPECT_EQ(std::get<std::string>(mixed[2]), "");
  EXPECT_EQ(file->meta("o"), nullptr);
  EXPECT_EQ(**file->integer("o.1.k"), 2);
}

TEST(HfConfig, TextsOfAnArrayOutliveTheFile) {
  std::shared_ptr<const MetaArray> array;
  {
    const auto file = config(R"({"architectures":["ALongNameThatNoSmallStringHolds"]})");
    array = std::get<std::shared_ptr<const MetaArray>>(*file->meta("architectures"));
  }
  EXPECT_EQ(std::get<std::vector<std::string_view>>(array->items)[0],
            "ALongNameThatNoSmallStringHolds");
}

TEST(HfConfig, BringsBothFormsOfRopeToOne) {
  const auto older = config(
      R"({"rope_theta":5e5,"rope_scaling":{"type":"yarn","factor":4},"torch_dtype":"bfloat16"})");
  const auto newer = config(
      R"({"rope_parameters":{"rope_theta":500000.0,"rope_type":"yarn","factor":4},"dtype":"bfloat16"})");
  for (const auto* file : {&older, &newer}) {
    ASSERT_EQ(message(*file), "");
    EXPECT_EQ(**(*file)->number("rope_theta"), 5e5);
    EXPECT_EQ(**(*file)->text("rope_scaling.rope_type"), "yarn");
    EXPECT_EQ(**(*file)->number("rope_scaling.factor"), 4);
    EXPECT_EQ(**(*file)->text("dtype"), "bfloat16");
    EXPECT_EQ((*file)->metadata().size(), 4u);
  }
}

TEST(HfConfig, AcceptsTwoSpellingsThatAgreeOnly) {
  EXPECT_EQ(message(config(R"({"rope_scaling":{"type":"yarn","rope_type":"yarn"},"rope_theta":1,)"
                           R"("rope_parameters":{"rope_theta":1.0}})")),
            "");
  EXPECT_SAYS(message(config(R"({"rope_scaling":{"type":"yarn","rope_type":"linear"}})")),
              "rope_scaling.rope_type and another spelling of rope_scaling.rope_type disagree");
}

TEST(HfConfig, RefusesWhatIsNoConfig) {
  EXPECT_SAYS(message(config("")), "parse error");
  EXPECT_SAYS(message(config("[]")), "an array where an object is expected");
  EXPECT_SAYS(message(config("7")), "a bare value where an object is expected");
  EXPECT_SAYS(message(config(R"({"a":1}})")), "parse error");
  EXPECT_SAYS(message(config(R"({"a":1,"a":2})")), "metadata key a appears twice");
  EXPECT_SAYS(message(config(R"({"a":{"b":1},"a.b":2})")), "metadata key a.b appears twice");
  EXPECT_SAYS(message(config(R"({"a":1e999})")), "number overflow");
  EXPECT_SAYS(message(config(R"({"\u0007":1})")), "control character");
  EXPECT_SAYS(message(config(fmt::format(R"({{"{}":1}})", std::string(600, 'k')))),
              "600 bytes long, the limit is 512");
  std::string many = "{\"a\":[0";
  for (size_t i = 0; i < kJsonValuesLimit; ++i) many += ",0";
  EXPECT_SAYS(message(config(many + "]}")), "more than 524288 values");
}

TEST(HfConfig, LimitsDepth) {
  const auto nested = [](size_t depth, std::string_view open, char close) {
    std::string text = R"({"a":)";
    for (size_t i = 0; i < depth; ++i) text += open;
    return text + "1" + std::string(depth, close) + "}";
  };
  EXPECT_EQ(message(config(nested(31, "[", ']'))), "");
  EXPECT_SAYS(message(config(nested(32, "[", ']'))), "JSON nested more than 32 deep");
  EXPECT_SAYS(message(config(nested(1'000'000, "{\"a\":", '}'))), "JSON nested more than 32 deep");
}

TEST(HfConfig, RefusesEveryTruncation) {
  Bytes b;
  expect_every_truncation_refused(b.raw(R"({"a":{"b":[1,2.5,"x",null,true]},"c":-1})"),
                                  "config.json");
}

TEST(HfConfig, TypedAccessNamesKeyValueAndWish) {
  const auto file = config(R"({"whole":4096.0,"half":0.5,"text":"many","list":[1]})");
  EXPECT_EQ(**file->integer("whole"), 4096);
  EXPECT_EQ(*file->integer("absent"), std::nullopt);
  EXPECT_EQ(message(file->integer("half")), "half: 0.5 is not a whole number");
  EXPECT_EQ(message(file->integer("text")), "text: \"many\" is not a whole number");
  EXPECT_EQ(message(file->number("list")), "list: an array is not a number");
  EXPECT_EQ(message(file->boolean("whole")), "whole: 4096 is not true or false");
  EXPECT_EQ(message(file->text("half")), "half: 0.5 is not a text");
}

// A folder with a config and these files, and its template.
std::string template_of(std::initializer_list<std::pair<const char*, const char*>> files) {
  const TemporaryFolder folder;
  folder.write("config.json", "{}");
  for (const auto& [name, text] : files) folder.write(name, text);
  const auto file = WeightFile::open(folder.path());
  EXPECT_EQ(message(file), "");
  const auto source = chat_template_source(*file);
  if (!source) return "error: " + source.error().message;
  return source->value_or("none");
}

TEST(ChatTemplateSource, LooksInEveryPlaceOfAFolder) {
  EXPECT_EQ(template_of({}), "none");
  EXPECT_EQ(template_of({{"tokenizer_config.json", R"({"chat_template":"T"})"}}), "T");
  EXPECT_EQ(template_of({{"chat_template.json", R"({"chat_template":"C"})"},
                         {"tokenizer_config.json", R"({"chat_template":"T"})"}}),
            "C");
  EXPECT_EQ(template_of({{"chat_template.jinja", "J\n"},
                         {"chat_template.json", R"({"chat_template":"C"})"}}),
            "J\n");
  EXPECT_EQ(
      template_of(
          {{"tokenizer_config.json",
            R"({"chat_template":[{"name":"tool_use","template":"U"},{"name":"default","template":"D"}]})"}}),
      "D");
  EXPECT_EQ(template_of({{"tokenizer_config.json",
                          R"({"chat_template":[{"name":"rag","template":"R"}]})"}}),
            "R");
  EXPECT_SAYS(
      template_of(
          {{"tokenizer_config.json",
            R"({"chat_template":[{"name":"rag","template":"R"},{"name":"tool_use","template":"U"}]})"}}),
      "none of the named ones is \"default\"; there are rag tool_use");
}

TEST(ChatTemplateSource, LooksInEveryPlaceOfAGguf) {
  constexpr uint32_t kString = 8, kArray = 9;
  const auto found = [](const Bytes& b) {
    return *chat_template_source(*WeightFile::from_memory("x", b.span()));
  };
  Bytes none, single, named;
  EXPECT_EQ(found(none.gguf(0, 0)), std::nullopt);
  EXPECT_EQ(found(single.gguf(0, 1).key("tokenizer.chat_template", kString).string("S")), "S");
  named.gguf(0, 3)
      .key("tokenizer.chat_templates", kArray)
      .put(kString)
      .put<uint64_t>(2)
      .string("a")
      .string("default");
  named.key("tokenizer.chat_template.a", kString)
      .string("A")
      .key("tokenizer.chat_template.default", kString)
      .string("D");
  EXPECT_EQ(found(named), "D");
}

}  // namespace
}  // namespace r1
