#include "cli/markdown.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace r1 {
namespace {

constexpr Terminal kStyled{true, true, 60};

std::string render(std::string_view text, size_t chunk = 1 << 30, Terminal terminal = kStyled) {
  MarkdownRenderer renderer(terminal);
  std::string out;
  for (size_t i = 0; i < text.size(); i += chunk) out += renderer.feed(text.substr(i, chunk));
  return out + renderer.finish();
}

// Escape codes as tags: <b> bold, <d> dim, <i> italic, <u> underline, <c> code, </> reset. An end
// followed by the same beginning is left out, so that only what is seen counts, not in how many
// pieces it came.
std::string tags(std::string text) {
  const std::pair<std::string, std::string> kTags[] = {{"\x1b[0m", "</>"}, {"\x1b[1m", "<b>"},
                                                       {"\x1b[2m", "<d>"}, {"\x1b[3m", "<i>"},
                                                       {"\x1b[4m", "<u>"}, {"\x1b[36m", "<c>"}};
  const auto replace = [&](const std::string& from, const std::string& to) {
    for (size_t at = text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
  };
  for (const auto& [code, tag] : kTags) replace(code, tag);
  return text;
}

// What each character looks like, independent of how the styles were switched.
std::string looks(const std::string& out) {
  std::string result, style;
  const std::string text = tags(out);
  for (size_t i = 0; i < text.size();) {
    if (text.compare(i, 3, "</>") == 0) {
      style.clear();
      i += 3;
    } else if (text[i] == '<' && i + 2 < text.size() && text[i + 2] == '>') {
      style += text[i + 1];
      i += 3;
    } else {
      result += text[i++];
      result += style;
    }
  }
  return result;
}

TEST(Markdown, Spans) {
  EXPECT_EQ(tags(render("a **b** *c* `d` ~~e~~")), "a <b>b</> <i>c</> <c>d</> <d>e</>");
  EXPECT_EQ(tags(render("***x*** __y__ _z_")), "<i><b>x</> <b>y</> <i>z</>");
  EXPECT_EQ(tags(render("**a *b***")), "<b>a </><b><i>b</>");
  EXPECT_EQ(tags(render("[name](http://x)")), "<u>name</><d> (http://x)</>");
  EXPECT_EQ(tags(render("中文**强调**中文")), "中文<b>强调</>中文");
  EXPECT_EQ(tags(render("`` a`b ``")), "<c>a`b</>");
}

TEST(Markdown, WhatIsNoSpanStaysText) {
  for (const char* text :
       {"2 * 3 * 4", "2*3*4", "a_b_c", "*open", "**open", "`open", "[1] and [x]", "a ~ b", "**",
        "* *", "$5 and $6", "snake_case_name", "x < y > z", "\\n"}) {
    EXPECT_EQ(render(std::string("x ") + text), std::string("x ") + text);
  }
  EXPECT_EQ(render("\\*a\\*"), "*a*");
}

TEST(Markdown, TexIsLeftAlone) {
  for (const char* text : {"$a_i * b_i * c$", "\\(a * b * c\\)", "\\[a *b* _c_\n- d\n# e\n\\]",
                           "$$\nx *y* z\n$$", "$\\frac{a}{b}$ and $c$"}) {
    EXPECT_EQ(render(text), text);
  }
  EXPECT_EQ(tags(render("\\[ a\n\n**b**")), "\\[ a\n\n<b>b</>");  // an empty line ends display TeX
}

TEST(Markdown, Blocks) {
  EXPECT_EQ(tags(render("# A\n## B `c`\n#no\n")), "<b>A</>\n<b>B </><c>c</>\n#no\n");
  EXPECT_EQ(tags(render("- a\n  * b\n1. c\n")), "• a\n  • b\n1. c\n");
  EXPECT_EQ(tags(render("> a\n>> b\n")), "<d>│ </>a\n<d>│ </><d>│ </>b\n");
  EXPECT_EQ(
      tags(render("a\n\n---\nb")), "a\n\n<d>" + [] {
        std::string rule;
        for (int i = 0; i < 40; ++i) rule += "─";
        return rule;
      }() + "</>\nb");
  EXPECT_EQ(tags(render("```py\nx = **1**\n\n# y\n```\nz")),
            "<d>─── py</>\n<c>x = **1**</>\n\n<c># y</>\n<d>───</>\nz");
  EXPECT_EQ(tags(render("~~~~\n~~~\n~~~~\n")), "<d>───</>\n<c>~~~</>\n<d>───</>\n");
  EXPECT_EQ(tags(render("```x```")), "<c>x</>");
}

TEST(Markdown, TablesAreAligned) {
  EXPECT_EQ(
      tags(render("| a | b |\n|---|--:|\n| 日本 | 1 |\n| x | 234 |\nend")),
      "<b>a</>    <d>│</>   <b>b</>\n<d>─────┼────</>\n日本 <d>│</>   1\nx    <d>│</> 234\nend");
  EXPECT_EQ(render("| no table\n"), "| no table\n");
  EXPECT_EQ(tags(render("| a |\n|---|\n| 1 |")), "<b>a</>\n<d>─</>\n1\n");
}

TEST(Markdown, TextIsShownAsSoonAsItIsCertain) {
  MarkdownRenderer renderer(kStyled);
  EXPECT_EQ(renderer.feed("Hello"), "Hello");
  EXPECT_EQ(renderer.feed(" wor"), " wor");
  EXPECT_EQ(renderer.feed("ld **bo"), "ld ");
  EXPECT_EQ(tags(renderer.feed("ld** x")), "<b>bold</> x");
  EXPECT_EQ(renderer.feed("\n-"), "\n");
  EXPECT_EQ(renderer.feed(" item"), "• item");
  EXPECT_EQ(tags(renderer.feed("\n```c\nint")), "\n<d>─── c</>\n<c>int</>");
  EXPECT_EQ(tags(renderer.feed(" x;")), "<c> x;</>");
}

TEST(Markdown, TheCutNeverMatters) {
  const std::string text =
      "# T `c`\n\nA **b *c* d** e_f_ *g* [h](i_(j)) [1] \\*k\\* $5, $x_1$ \\(a*b*c\\)\n\\[\n- z "
      "*y* w\n\\]\n"
      "- **l**\n  - m `n` o\n* * *\n> q ~~r~~\n```py\ndef f():\n\n  ``` "
      "\n```\n|a|b|\n|-|:-:|\n|**1**|日本|\nend **open";
  const std::string whole = looks(render(text));
  for (size_t chunk = 1; chunk < 20; ++chunk) EXPECT_EQ(looks(render(text, chunk)), whole) << chunk;
}

TEST(Markdown, HostileTextNeverReachesTheTerminalRaw) {
  for (const size_t chunk : {size_t{1}, size_t{3}, size_t{100}}) {
    const std::string out = render(
        "a\x1b[2Jb\x07 `\x1b]0;t\x07` \xC2\x9B"
        "31m\n```\x1b[1m\n\x1b[5n\n```\n|\x1b|\n|-|\n",
        chunk);
    for (size_t at = out.find('\x1b'); at != std::string::npos; at = out.find('\x1b', at + 1)) {
      const std::string code = out.substr(at, out.find('m', at) - at + 1);
      EXPECT_TRUE(code == "\x1b[0m" || code == "\x1b[1m" || code == "\x1b[2m" || code == "\x1b[36m")
          << code;
    }
    EXPECT_EQ(out.find('\x07'), std::string::npos);
    EXPECT_EQ(out.find('\xC2'), std::string::npos);
  }
}

TEST(Markdown, LargeHostileTextIsQuick) {
  for (const char* piece :
       {"*", "**a ", "[", "`", "``a", "> ", "_a ", "$a", "\\", "#", "|", "- "}) {
    std::string text;
    while (text.size() < 200'000) text += piece;
    EXPECT_FALSE(render(text, 50).empty());
    EXPECT_FALSE(render(text).empty());
  }
}

TEST(Markdown, OtherThanATerminalGetsTheText) {
  EXPECT_EQ(render("**a** \x1b[1m\r\n", 1, {false, false, 80}), "**a** \x1b[1m\r\n");
  EXPECT_EQ(render("**a** \x1b[1m\r\n", 1, {true, false, 80}), "**a** [1m\n");
}

}  // namespace
}  // namespace r1
