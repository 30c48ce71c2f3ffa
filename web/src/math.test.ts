import { expect, test } from "vitest";
import { mathAt, mathBlockAt } from "./math";

const tex = (text: string) => mathAt(text)?.tex;

test("all four delimiters", () => {
  expect(mathAt("$x^2$ and")).toEqual({ raw: "$x^2$", tex: "x^2", display: false });
  expect(mathAt("$$ x $$")).toEqual({ raw: "$$ x $$", tex: "x", display: true });
  expect(mathAt("\\(x\\).")).toEqual({ raw: "\\(x\\)", tex: "x", display: false });
  expect(mathAt("\\[x\\]")).toEqual({ raw: "\\[x\\]", tex: "x", display: true });
});

test("money is no mathematics", () => {
  for (const text of ["$5 and $10", "$ x$", "$x $", "$$", "$ $", "$5", "$100, or $200 a year"])
    expect(mathAt(text), text).toBeUndefined();
  expect(tex("$5x$, not $6")).toBe("5x");
});

test("what closes is found outside of braces and commands", () => {
  expect(tex("$\\text{a $b$ c}$")).toBe("\\text{a $b$ c}");
  expect(tex("\\[\\begin{matrix} a \\\\[2pt] b \\end{matrix}\\]")).toBe("\\begin{matrix} a \\\\[2pt] b \\end{matrix}");
  expect(tex("$a\\$b$")).toBe("a\\$b");
  expect(tex("\\(a\\)\\(b\\)")).toBe("a");
});

test("what is not closed yet, or runs over a paragraph, is text", () => {
  for (const text of ["$x", "\\(x", "\\[x\\)", "$$x$", "$a\n\nb$", "x$y$"]) expect(mathAt(text), text).toBeUndefined();
  expect(tex("$$a\n\nb$$")).toBe("a\n\nb");
});

test("a block of mathematics has its lines for itself", () => {
  expect(mathBlockAt("$$\nx\n$$\nand")).toMatchObject({ raw: "$$\nx\n$$\n", tex: "x" });
  expect(mathBlockAt("  \\[ x \\]")).toMatchObject({ tex: "x" });
  expect(mathBlockAt("$$x$$ is it")).toBeUndefined();
  expect(mathBlockAt("$x$")).toBeUndefined();
  expect(mathBlockAt("    $$x$$")).toBeUndefined(); // code
});
