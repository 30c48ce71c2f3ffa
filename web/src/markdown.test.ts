import { expect, test } from "vitest";
import { blocks, toHtml } from "./markdown";

const inline = (text: string) => toHtml(text).replace(/^<p>|<\/p>\s*$/g, "");
const math = (tex: string) => `<span class="tex">${tex}</span>`;
const display = (tex: string) => `<span class="tex" data-display="1">${tex}</span>`;

test("mathematics stands among Markdown untouched by it", () => {
  expect(inline("a $x_1 * y_1 * z$ b")).toBe(`a ${math("x_1 * y_1 * z")} b`);
  expect(inline("\\(a_b\\) and \\[c\\]!")).toBe(`${math("a_b")} and ${display("c")}!`);
  expect(toHtml("- one\n- $$x$$\n\n\\[\ny\n\\]\n")).toContain(display("y"));
  expect(toHtml("text\n\\[\na\n\\]\ntext")).toBe(`<p>text</p>\n${display("a")}<p>text</p>\n`);
  expect(inline("**so $x<y$**")).toBe(`<strong>so ${math("x&#60;y")}</strong>`);
});

test("code, escapes and money are no mathematics", () => {
  expect(inline("`$x$`")).toBe("<code>$x$</code>");
  expect(toHtml("```\n$x$ \\(y\\)\n```")).not.toContain('class="tex"');
  expect(inline("it is \\$5 or $6 or $7")).toBe("it is $5 or $6 or $7");
});

test("HTML is shown, not read; only a line break is one", () => {
  expect(inline("<b>x</b> <img src=x onerror=alert(1)>")).toBe("&lt;b&gt;x&lt;/b&gt; &lt;img src=x onerror=alert(1)&gt;");
  expect(toHtml("<script>alert(1)</script>\n\nand")).not.toContain("<script");
  expect(toHtml("<div>\n**bold**\n</div>")).toContain("<strong>bold</strong>");
  expect(inline("a<br>b")).toBe("a<br>b");
});

test("links lead to the web or nowhere; pictures are links", () => {
  expect(inline(`[a](https://x.org/?a=1&b="2")`)).toBe('<a href="https://x.org/?a=1&#38;b=&#34;2&#34;">a</a>');
  expect(inline("[a](javascript:alert(1))")).toBe("a");
  expect(inline("[a](/metrics)")).toBe("a");
  expect(inline("![alt](https://x.org/p.png)")).toBe('<a href="https://x.org/p.png">alt</a>');
  expect(inline("![alt](data:image/png;base64,AA)")).toBe("alt");
});

test("code has its language, a copy button, and colours where they are known", () => {
  const html = toHtml("```python\nreturn 1 < 2\n```");
  expect(html).toContain("<span>python</span>");
  expect(html).toContain('<span class="hljs-keyword">return</span>');
  expect(html).toContain("&lt;");
  expect(toHtml('```"><script>\nx\n```')).not.toContain("<script>");
  expect(toHtml("```brainfuck\n+<\n```")).toContain("<code>+&#60;</code>");
});

test("products keep their stars, emphasis is emphasis", () => {
  for (const text of ["3*1=3: 3*9=27", "(9*1)*3", "a*b*c", "f(x)*g(x)*2"]) expect(inline(text)).toBe(text);
  expect(inline("*so* it is, **3*9**, and *this too*.")).toBe("<em>so</em> it is, <strong>3*9</strong>, and <em>this too</em>.");
});

test("in a thought every line break counts", () => {
  expect(toHtml("a\nb", "thought")).toBe("<p>a<br>b</p>\n");
  expect(toHtml("a\nb")).toBe("<p>a\nb</p>\n");
});

test("while a text grows, its earlier blocks stay equal", () => {
  const text = "# One\n\npara $x$\n\n```c\nint a;\n\nint b;\n```\n\n- a\n- b\n\n$$\nx\n\ny\n$$\n\nend";
  let before = blocks("");
  for (let n = 1; n <= text.length; ++n) {
    const now = blocks(text.slice(0, n));
    // All but the last two: a line that was a paragraph's may turn out to be a heading's or a table's.
    for (let i = 0; i < before.length - 2; ++i) expect(now[i]!.raw.trimEnd()).toBe(before[i]!.raw.trimEnd());
    before = now;
  }
  expect(before).toHaveLength(6);
});
