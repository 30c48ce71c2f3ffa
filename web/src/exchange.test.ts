import { expect, test } from "vitest";
import { fromJson, toJson, toMarkdown } from "./exchange";
import * as tree from "./tree";

function sample(): tree.Conversation {
  const c = tree.freshConversation("r1-nano", { ...tree.noParams(), temperature: 0.6, system: "Be brief." }, 10);
  const q = tree.add(c, { parent: null, role: "user", text: "Why?" }, 20);
  tree.add(c, {
    parent: q.id, role: "assistant", text: "Because.", thought: "Hm.\nWait.", model: "r1-nano", seed: 7, finish: "stop",
    usage: { prompt: 3, cached: 1, thought: 4, answer: 2 },
  }, 30);
  return c;
}

test("JSON comes back whole, under a name of its own", () => {
  const c = sample();
  const [back] = fromJson(toJson([c]));
  expect(back!.id).not.toBe(c.id);
  expect({ ...back, id: c.id }).toEqual(c);
});

test("Markdown has the path that is shown, thoughts folded", () => {
  expect(toMarkdown(sample())).toBe(
    "# Why?\n\n> Be brief.\n\n## You\n\nWhy?\n\n## r1-nano\n\n" +
      "<details>\n<summary>Thought</summary>\n\nHm.\nWait.\n\n</details>\n\nBecause.\n",
  );
});

test("what is not as it must be is named", () => {
  const broken = (change: (file: any) => void) => {
    const file = JSON.parse(toJson([sample()]));
    change(file);
    return () => fromJson(JSON.stringify(file));
  };
  const turns = (f: any) => Object.values<any>(f.conversations[0].turns);
  expect(() => fromJson("{")).toThrow("no JSON");
  expect(() => fromJson("[1]")).toThrow('"format"');
  expect(broken((f) => (f.version = 2))).toThrow("version 2");
  expect(broken((f) => (f.conversations[0].title = 5))).toThrow("conversations[0].title: a text");
  expect(broken((f) => (turns(f)[0].role = "system"))).toThrow("role: one of user, assistant");
  expect(broken((f) => (turns(f)[0].time = null))).toThrow("time: a number");
  expect(broken((f) => (turns(f)[0].parent = "nobody"))).toThrow('no turn "nobody"');
  expect(broken((f) => (turns(f)[0].parent = turns(f)[1].id))).toThrow("circle");
  expect(broken((f) => (f.conversations[0].leaf = "x"))).toThrow('leaf: there is no turn "x"');
  expect(broken((f) => (f.conversations[0].params.effort = "all"))).toThrow("effort: one of");
});

test("fields that are not known do not come in", () => {
  const file = JSON.parse(toJson([sample()]));
  file.conversations[0].evil = 1;
  Object.values<any>(file.conversations[0].turns)[0].evil = 1;
  expect(JSON.stringify(fromJson(JSON.stringify(file)))).not.toContain("evil");
});
