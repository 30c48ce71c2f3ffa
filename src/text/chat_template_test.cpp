// Real chat templates against what transformers' set-up of Jinja2 renders from them.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/test_data.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

std::string render(std::string_view source, const Json& variables = Json::object(),
                   const TemplateLimits& limits = {}) {
  const auto parsed = ChatTemplate::parse(source);
  if (!parsed) return "parse: " + parsed.error().message;
  const auto rendered = parsed->render(variables, limits);
  return rendered ? *rendered : "error: " + rendered.error().message;
}

TEST(ChatTemplate, RendersEveryGoldenConversation) {
  R1_TEST_DATA(path, "templates/golden.jsonl");
  const std::string lines = read_test_file(path);
  int rendered = 0;
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    const Json golden = Json::parse(lines.substr(begin, end - begin));
    begin = end + 1;
    Json variables = golden["vars"];
    for (const char* name : {"messages", "tools", "add_generation_prompt"})
      variables[name] = golden[name];
    const std::string source =
        read_test_file(find_test_data("templates/" + golden["template"].get<std::string>()));
    const auto parsed = ChatTemplate::parse(source);
    ASSERT_TRUE(parsed) << parsed.error().message;
    const auto result = parsed->render(variables);
    if (golden.contains("error")) {
      ASSERT_FALSE(result) << golden["id"];
      EXPECT_NE(result.error().message.find(golden["error"].get<std::string>()), std::string::npos)
          << golden["id"];
    } else {
      ASSERT_TRUE(result) << golden["id"] << ": " << result.error().message;
      EXPECT_EQ(*result, golden["rendered"].get<std::string>()) << golden["id"];
    }
    ++rendered;
  }
  EXPECT_EQ(rendered, 210);
}

// The template inside SmolLM2-135M-Instruct's GGUF.
constexpr const char* kSmolLm2 =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ "
    "'<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif "
    "%}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% "
    "endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

TEST(ChatTemplate, RendersSmolLm2Prompts) {
  R1_TEST_DATA(path, "models/smollm2-135m-instruct/golden.json");
  const Json golden = Json::parse(read_test_file(path));
  for (const Json& chat : golden["chat"]) {
    const Json variables = {{"messages", {{{"role", "user"}, {"content", chat["question"]}}}},
                            {"add_generation_prompt", true}};
    EXPECT_EQ(render(kSmolLm2, variables), chat["rendered"].get<std::string>());
  }
}

TEST(ChatTemplate, KeepsItsSource) {
  const auto parsed = ChatTemplate::parse("a{{ b }}\n");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->source(), "a{{ b }}\n");
}

TEST(ChatTemplate, BytesThatAreNoUtf8PassThrough) {
  const std::string marked = "<\xFF|im_end|>";
  const Json variables = {{"x", marked}};
  EXPECT_EQ(render("{{ x }}", variables), marked);
  EXPECT_EQ(render("{{ x | trim }}{{ x.strip() }}", variables), marked + marked);
  EXPECT_EQ(render("{{ x[1:] }}", variables), marked.substr(1));
  EXPECT_EQ(render("{{ x | length }}", variables), std::to_string(marked.size()));
  EXPECT_EQ(render("{{ x | tojson }}", variables), '"' + marked + '"');
  EXPECT_EQ(render("{{ [x] }}", variables), "['" + marked + "']");
  EXPECT_EQ(render("{{ x | upper | lower }}", variables), marked);
  EXPECT_EQ(render("{{ x.split('|')[0] }}", variables), "<\xFF");
}

TEST(ChatTemplate, ErrorsNameTheLineAndWhatWasWrong) {
  EXPECT_EQ(render("\n\n{{ x.y }}"), "error: chat template: line 3: 'x' is undefined");
  EXPECT_EQ(render("{{ messages[0].role.x.y }}", {{"messages", {{{"role", "user"}}}}}),
            "error: chat template: line 1: 'str object' has no attribute 'x'");
  EXPECT_EQ(render("a\n{{ 1 | nosuch }}"),
            "error: chat template: line 2: No filter named 'nosuch'.");
  EXPECT_EQ(render("{{ 1 is nosuch }}"), "error: chat template: line 1: No test named 'nosuch'.");
  EXPECT_EQ(render("{{ nosuch(1) }}"), "error: chat template: line 1: 'nosuch' is undefined");
  EXPECT_EQ(render("{{ 'a' + none }}"),
            "error: chat template: line 1: can only concatenate str (not \"NoneType\") to str");
  EXPECT_EQ(render("{{ raise_exception('roles must alternate') }}"), "error: roles must alternate");
  EXPECT_EQ(render("{% if x %}"),
            "parse: chat template: line 1: expected {% endif %}, got the end of the template");
  EXPECT_EQ(render("\n{% include 'a' %}"),
            "parse: chat template: line 2: {% include %} is not available in chat templates");
  EXPECT_EQ(render("{% nosuch %}"), "parse: chat template: line 1: unknown tag 'nosuch'");
  EXPECT_EQ(render("{{ 'a }}"), "parse: chat template: line 1: a string is not closed");
  EXPECT_EQ(render("{{ a"), "parse: chat template: line 1: a tag is not closed by }}");
}

// Each of these would take gigabytes, hours or the whole stack; all must stop soon with an error.
TEST(ChatTemplate, LimitsStopHostileTemplates) {
  const auto fails = [](const std::string& source, std::string_view reason) {
    TemplateLimits limits;
    limits.steps = 200'000;
    const std::string result = render(source, Json::object(), limits);
    EXPECT_NE(result.find("error: "), std::string::npos) << source.substr(0, 200);
    EXPECT_NE(result.find(reason), std::string::npos) << result.substr(0, 300);
  };
  fails("{{ 'a' * 10**9 }}", "more than");
  fails("{{ [0] * 10**9 }}", "more than");
  fails("{{ range(10**12) }}", "range()");
  fails("{{ 'a' | center(10**12) }}", "more than");
  fails("{{ 'a'.ljust(10**12) }}", "more than");
  fails("{{ 'a' | indent(10**12) }}", "more than");
  fails("{{ '%1000000000d' % 1 }}", "at most");
  fails("{{ 10**10**10 }}", "64-bit");
  fails("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "steps");
  fails("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "levels deep");
  fails(
      "{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}",
      "nested");
  fails(
      "{% set ns = namespace(x='a') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% "
      "endfor %}",
      "more than");
  fails(
      "{% set ns = namespace(x=[1]) %}{% for i in range(50) %}{% set ns.x = [ns.x, ns.x] %}{% "
      "endfor %}{{ ns.x }}",
      "steps");
  fails(
      "{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = ns.x + ['abc' ~ i] "
      "%}{% endfor %}",
      "steps");
  fails("{% for x in [[[[]]]] recursive %}{{ loop([x]) }}{% endfor %}", "levels deep");

  const std::string brackets = std::string(100'000, '(') + "1" + std::string(100'000, ')');
  EXPECT_NE(render("{{ " + brackets + " }}").find("levels deep"), std::string::npos);
  EXPECT_NE(render("{{ " + std::string(100'000, '-') + "1 }}").find("levels deep"),
            std::string::npos);
  EXPECT_NE(render("{{ a" + std::string(100'000, '.') + " }}").find("parse: "), std::string::npos);
  std::string nested;
  for (int i = 0; i < 10'000; ++i) nested += "{% if 1 %}";
  EXPECT_NE(render(nested).find("levels deep"), std::string::npos);
  EXPECT_NE(render(std::string(2 << 20, 'a')).find("the limit is"), std::string::npos);
  Json deep = 1;
  for (int i = 0; i < 500; ++i) deep = Json::array({std::move(deep)});
  EXPECT_NE(render("{{ x }}", {{"x", deep}}).find("levels deep"), std::string::npos);
}

TEST(ChatTemplate, LongChainsAreNotDeep) {
  std::string sum = "{{ 0";
  for (int i = 0; i < 5000; ++i) sum += " + 1";
  EXPECT_EQ(render(sum + " }}"), "5000");
  std::string choice;
  for (int i = 0; i < 1000; ++i)
    choice += (i == 0 ? "{% if " : "{% elif ") + std::string("x == ") + std::to_string(i) + " %}" +
              std::to_string(i);
  EXPECT_EQ(render(choice + "{% endif %}", {{"x", 777}}), "777");
}

// The deepest tree the parser lets through must be walked and freed within a stack.
TEST(ChatTemplate, TheDeepestTreeFitsTheStack) {
  std::string source = "{{ ";
  std::string end;
  for (int i = 0; i < 48; ++i) {
    source += '(';
    end += ')';
    for (int k = 0; k < 31; ++k) end += ".a";
    for (int k = 0; k < 31; ++k) end += "|string";
  }
  EXPECT_NE(render(source + "x" + end + " }}").find("error: "), std::string::npos);
}

}  // namespace
}  // namespace r1
