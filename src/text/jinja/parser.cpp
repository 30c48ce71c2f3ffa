#include "text/jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/expression_parser.h"

namespace r1::jinja {

namespace {

class Parser : private ExpressionParser {
 public:
  explicit Parser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}

  Body run() {
    Body body = statements({});
    if (token().kind != TokenKind::kEnd) unexpected("the end of the template");
    return body;
  }

 private:
  using Names = std::initializer_list<std::string_view>;

  // Statements up to {% with one of `ends`, of which the name is the current token afterwards.
  Body statements(Names ends) {
    const Level level(*this);
    Body body;
    for (;;) {
      const int line = token().line;
      switch (token().kind) {
        case TokenKind::kData:
          body.push_back({line, Text{next().text}});
          break;
        case TokenKind::kVariableBegin: {
          next();
          Print print{tuple()};
          body.push_back({line, std::move(print)});
          if (token().kind != TokenKind::kVariableEnd) unexpected("}}");
          next();
          break;
        }
        case TokenKind::kBlockBegin:
          next();
          if (std::any_of(ends.begin(), ends.end(),
                          [&](std::string_view end) { return at_name(end); }))
            return body;
          statement(body, line);
          end_tag();
          break;
        case TokenKind::kEnd:
          if (ends.size() > 0) unexpected(fmt::format("{{% {} %}}", *(ends.end() - 1)));
          return body;
        default:
          unexpected("text or a tag");
      }
    }
  }

  void end_tag() {
    if (token().kind != TokenKind::kBlockEnd) unexpected("%}");
    next();
  }

  // The rest of an opening tag, and the body up to one of `ends`.
  Body block(Names ends) {
    skip(":");
    end_tag();
    return statements(ends);
  }

  Body closed_block(std::string_view end) {
    Body body = block({end});
    next();
    return body;
  }

  void statement(Body& body, int line) {
    const std::string tag = expect_name();
    const auto add = [&](auto kind) { body.push_back({line, std::move(kind)}); };
    if (tag == "if") return add(if_block());
    if (tag == "for") return add(for_block());
    if (tag == "set") return set(body, line);
    if (tag == "macro") return add(Macro{macro()});
    if (tag == "call") return add(call_block(line));
    if (tag == "filter") return add(filter_block(line));
    if (tag == "with") return add(with());
    if (tag == "generation")
      return add(With{{}, closed_block("endgeneration")});  // marks what the model says
    if (tag == "print") return add(Print{tuple()});
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) fail_at(line, fmt::format("{{% {} %}} outside of a loop", tag));
      return tag == "break" ? add(Break{}) : add(Continue{});
    }
    for (const char* other :
         {"include", "extends", "import", "from", "block", "autoescape", "do", "trans"}) {
      if (tag == other)
        fail_at(line, fmt::format("{{% {} %}} is not available in chat templates", tag));
    }
    fail_at(line, fmt::format("unknown tag '{}'", tag));
  }

  If if_block() {
    If result;
    do {
      Expression condition = tuple(false);
      result.branches.emplace_back(std::move(condition), block({"elif", "else", "endif"}));
    } while (skip_name("elif"));
    if (skip_name("else")) result.otherwise = block({"endif"});
    next();
    return result;
  }

  For for_block() {
    Target loop_target = target("in");
    if (!skip_name("in")) unexpected("'in'");
    For result{std::move(loop_target), tuple(false, "recursive"), nullptr, false, {}, {}};
    if (skip_name("if")) result.filter = std::make_unique<Expression>(expression());
    result.recursive = skip_name("recursive");
    ++loops_;
    result.body = block({"else", "endfor"});
    --loops_;
    if (skip_name("else")) result.otherwise = block({"endfor"});
    next();
    return result;
  }

  void set(Body& body, int line) {
    Target set_target = target("", true);
    if (skip("=")) {
      Set result{std::move(set_target), tuple()};
      body.push_back({line, std::move(result)});
      return;
    }
    Expression value = filters({line, Captured{}});
    SetBlock result{std::move(set_target), captured_block("endset"), std::move(value)};
    body.push_back({line, std::move(result)});
  }

  FilterBlock filter_block(int line) {
    Expression value = filters(filter({line, Captured{}}));
    return {captured_block("endfilter"), std::move(value)};
  }

  // A body rendered on its own: break and continue cannot leave it.
  Body captured_block(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Body body = closed_block(end);
    loops_ = loops;
    return body;
  }

  std::vector<Parameter> parameters() {
    std::vector<Parameter> result;
    expect("(");
    while (!at(")")) {
      const int line = token().line;
      Parameter parameter{expect_name(), nullptr};
      if (skip("=")) {
        parameter.otherwise = std::make_unique<Expression>(expression());
      } else if (!result.empty() && result.back().otherwise) {
        fail_at(line, fmt::format("parameter '{}' needs a default, as the one before it has",
                                  parameter.name));
      }
      result.push_back(std::move(parameter));
      if (!at(")")) expect(",");
    }
    expect(")");
    return result;
  }

  MacroDefinition macro() {
    std::string name = expect_name();
    return definition(std::move(name), parameters(), "endmacro");
  }

  MacroDefinition definition(std::string name, std::vector<Parameter> given, std::string_view end) {
    const ExtraNames outer = std::exchange(names_, {});
    Body body = captured_block(end);
    const ExtraNames inner = std::exchange(names_, outer);
    return {std::move(name), std::move(given), inner.varargs, inner.kwargs, std::move(body)};
  }

  CallBlock call_block(int line) {
    std::vector<Parameter> given;
    if (at("(")) given = parameters();
    Expression call = expression();
    if (!std::holds_alternative<Invocation>(call.kind))
      fail_at(line, "{% call %} needs a call: {% call macro(...) %}");
    return {std::move(call), definition("caller", std::move(given), "endcall")};
  }

  With with() {
    With result;
    while (token().kind != TokenKind::kBlockEnd) {
      if (!result.values.empty()) expect(",");
      Target with_target = target("");
      expect("=");
      result.values.emplace_back(std::move(with_target), expression());
    }
    result.body = closed_block("endwith");
    return result;
  }

  // name, namespace.attribute, (a, b) or a, b; a name of `stop` ends it.
  Target target(std::string_view stop, bool attributes = false) {
    const Level level(*this);
    std::vector<Target> parts;
    bool many = false;
    for (;;) {
      if (at(")") || at("=") || token().kind == TokenKind::kBlockEnd ||
          (!stop.empty() && at_name(stop)))
        break;
      if (skip("(")) {
        parts.push_back(target("", attributes));
        expect(")");
      } else {
        Target single{expect_name(), "", {}};
        if (attributes && skip(".")) single.attribute = expect_name();
        parts.push_back(std::move(single));
      }
      if (!skip(",")) break;
      many = true;
    }
    if (parts.empty()) unexpected("a name");
    if (!many) return std::move(parts.front());
    return {"", "", std::move(parts)};
  }

  int loops_ = 0;
};

}  // namespace

Body parse(std::string_view source) { return Parser(tokenize(source)).run(); }

}  // namespace r1::jinja
