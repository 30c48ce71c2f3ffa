import { expect, test } from "vitest";
import * as tree from "./tree";

const ask = (c: tree.Conversation, text: string, parent = c.leaf) => tree.add(c, { parent, role: "user", text }, 1000);
const say = (c: tree.Conversation, text: string, parent = c.leaf) => tree.add(c, { parent, role: "assistant", text }, 1000);
const texts = (c: tree.Conversation) => tree.path(c).map((t) => t.text);

// a - A - b - B, and a second answer A2 to a.
function grown() {
  const c = tree.freshConversation("m", tree.noParams(), 0);
  const a = ask(c, "a");
  const A = say(c, "A");
  const b = ask(c, "b");
  const B = say(c, "B");
  const A2 = say(c, "A2", a.id);
  return { c, a, A, b, B, A2 };
}

test("a second answer is a sibling, and is what is shown", () => {
  const { c, A, A2 } = grown();
  expect(texts(c)).toEqual(["a", "A2"]);
  expect(tree.siblings(c, A).map((t) => t.text)).toEqual(["A", "A2"]);
  expect(A2.time).toBeGreaterThan(A.time);
});

test("turning to a sibling shows all that followed it", () => {
  const { c, A, A2 } = grown();
  tree.turnTo(c, A2, -1);
  expect(texts(c)).toEqual(["a", "A", "b", "B"]);
  tree.turnTo(c, A, -1); // there is none before
  expect(texts(c)).toEqual(["a", "A", "b", "B"]);
  tree.turnTo(c, A, 1);
  expect(texts(c)).toEqual(["a", "A2"]);
});

test("an edit of the first turn is a root beside it", () => {
  const { c, a } = grown();
  ask(c, "a, otherwise", null);
  expect(texts(c)).toEqual(["a, otherwise"]);
  expect(tree.children(c, null).map((t) => t.text)).toEqual(["a", "a, otherwise"]);
  tree.turnTo(c, tree.path(c)[0]!, -1);
  expect(tree.path(c)[0]!.id).toBe(a.id);
});

test("what is removed takes what follows with it, and a sibling is shown", () => {
  const { c, A, A2 } = grown();
  tree.turnTo(c, A2, -1);
  tree.remove(c, A);
  expect(texts(c)).toEqual(["a", "A2"]);
  expect(Object.keys(c.turns)).toHaveLength(2);
  tree.remove(c, A2);
  expect(texts(c)).toEqual(["a"]);
});

test("removing what is not shown changes nothing that is", () => {
  const { c, A } = grown();
  tree.remove(c, A);
  expect(texts(c)).toEqual(["a", "A2"]);
});

test("a fork has one path and shares no turn", () => {
  const { c, A2 } = grown();
  const copy = tree.fork(c, A2, 5);
  expect(texts(copy)).toEqual(["a", "A2"]);
  expect(Object.keys(copy.turns)).toHaveLength(2);
  expect(copy.id).not.toBe(c.id);
  copy.turns[A2.id]!.text = "changed";
  expect(A2.text).toBe("A2");
});

test("the title is the first line that was asked, cut at a word", () => {
  const { c } = grown();
  expect(c.title).toBe("a");
  expect(tree.titleOf("  one\ttwo \nthree")).toBe("one two");
  const long = tree.titleOf("word ".repeat(40));
  expect(long).toMatch(/^(word ){11}word…$/);
  expect(tree.titleOf("x".repeat(200))).toBe("x".repeat(60) + "…");
});
