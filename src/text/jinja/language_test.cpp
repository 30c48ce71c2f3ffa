// The language against Jinja2 itself: what each template renders, or that it is an error.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/chat_template.h"
#include "text/jinja/language_table.h"

namespace r1::jinja {
namespace {

TEST(JinjaLanguage, RendersWhatJinja2Renders) {
  const auto variables = nlohmann::ordered_json::parse(kLanguageVariables);
  for (const LanguageCase& c : kLanguageCases) {
    const auto parsed = ChatTemplate::parse(c.source);
    const auto result = parsed ? parsed->render(variables) : Result<std::string>(parsed.error());
    if (!c.rendered) {
      EXPECT_FALSE(result) << c.source << " rendered " << *result;
    } else if (!result) {
      ADD_FAILURE() << c.source << " failed: " << result.error().message;
    } else {
      EXPECT_EQ(*result, c.rendered) << c.source;
    }
  }
}

}  // namespace
}  // namespace r1::jinja
