import { expect, test } from "vitest";
import { request, readChunk } from "./api";
import { age, count, dollars, seconds, tokens } from "./format";
import { engineView, parseMetrics } from "./metrics";
import { matches } from "./search";
import { annotate, snippet } from "./trace";
import { noParams, type Conversation, type Turn } from "./tree";

test("numbers as people read them", () => {
  expect([0.0003, 0.04, 0.1, 9.96, 12.4, 61, 3599.7].map(seconds)).toEqual(["0.3 ms", "40 ms", "0.1 s", "10.0 s", "12 s", "1 min 01 s", "60 min 00 s"]);
  expect([0, 999, 1000, 1234567].map(count)).toEqual(["0", "999", "1\u202f000", "1\u202f234\u202f567"]);
  expect([tokens(1), tokens(2)]).toEqual(["1 token", "2 tokens"]);
  expect([0, 1.5, 0.0123, 0.001234, 0.0000002].map(dollars)).toEqual(["$0", "$1.50", "$0.01", "$0.0012", "$0.00000020"]);
});

test("a conversation stands under the day it was last used", () => {
  const now = new Date(2026, 10, 27, 12).getTime();
  const at = (day: number, hour: number) => age(new Date(2026, 10, day, hour).getTime(), now);
  expect([at(27, 0), at(26, 23), at(26, 0), at(22, 9), at(1, 9)]).toEqual([
    "Today", "Yesterday", "Yesterday", "Last 7 days", "Last 30 days",
  ]);
  expect(age(new Date(2026, 1, 3).getTime(), now)).toBe("February 2026");
});

test("two readings of the metrics tell of the time between them", () => {
  const text = (running: number, steps: number, generated: number) => `# HELP x y
vllm:num_requests_running{model_name="a"} ${running}
vllm:num_requests_running{model_name="b"} 1
vllm:num_requests_waiting{model_name="a"} 4
vllm:kv_cache_usage_perc{model_name="a"} 0.5
vllm:kv_cache_usage_perc{model_name="b"} 0.1
llamacpp:n_decode_total ${steps}
vllm:prefix_cache_queries 100
vllm:prefix_cache_hits 25
vllm:generation_tokens_total ${generated}
`;
  const before = parseMetrics(text(2, 100, 1e3), 1000);
  const view = engineView(parseMetrics(text(4, 150, 1300), 3000), before);
  expect(view).toMatchObject({ running: 5, waiting: 4, kv: 0.5, stepsPerSecond: 25, tokensPerSecond: 150, hitShare: 0.25, generated: 1300 });
  // A model that was put back and loaded again counts from nothing.
  expect(engineView(parseMetrics(text(4, 5, 0), 3000), before).tokensPerSecond).toBe(0);
  expect(engineView(before).tokensPerSecond).toBe(0);
  expect(engineView(parseMetrics("", 0))).toMatchObject({ running: 0, kv: 0 });
});

test("every word must be found, in whichever turn", () => {
  const turn = (text: string, thought = "") => ({ text, thought }) as Turn;
  const c = { id: "1", title: "Sums", turns: { a: turn("How much is it?"), b: turn("Seven, of course", "Eight? No") } };
  const find = (query: string) => matches(c as unknown as Conversation, query);
  expect(find("seven MUCH")?.snippet).toBe("How much is it?");
  expect(find("eight")?.snippet).toBe("Eight? No");
  expect(find("sums")).toEqual({ id: "1", snippet: "" });
  expect(find("seven nine")).toBeUndefined();
  expect(find("  ")).toEqual({ id: "1", snippet: "" });
});

const turns = [{ role: "user", text: "Hi" }] as Turn[];

test("a request leaves out what the user left open", () => {
  expect(request("m", noParams(), turns, 5)).toEqual({
    model: "m", messages: [{ role: "user", content: "Hi" }], seed: 5, stream: true, stream_options: { include_usage: true, continuous_usage_stats: true },
  });
  const all = { temperature: 0, top_p: 1, max_tokens: 9, effort: "low", system: "S" } as const;
  expect(request("m", all, turns, 5)).toMatchObject({
    temperature: 0, top_p: 1, max_tokens: 9, reasoning_effort: "low",
    messages: [{ role: "system", content: "S" }, { role: "user", content: "Hi" }],
  });
  expect(request("m", { ...all, effort: "off" }, turns, 5).reasoning_effort).toBe("none");
  expect(request("m", { ...all, effort: "budget", budget: 64 }, turns, 5).thinking_budget).toBe(64);
});

test("a thought is cut where the server's marks begin and end, wrong ones left out", () => {
  const thought = "3+9=12. Wait, 3*9=27. Wait";
  const marks = [
    { begin: 22, end: 26, kind: "backtrack" }, { begin: 8, end: 12, kind: "backtrack" }, { begin: 10, end: 14, kind: "check" },
    { begin: 90, end: 95, kind: "check" }, { begin: 5, end: 5, kind: "check" }, { begin: -1, end: 3, kind: "check" },
  ];
  const cut = annotate(thought, marks);
  expect(cut.map((p) => p.text).join("")).toBe(thought);
  expect(cut.filter((p) => p.kinds.length > 0)).toEqual([
    { text: "Wa", kinds: ["backtrack"] }, { text: "it", kinds: ["backtrack", "check"] }, { text: ", ", kinds: ["check"] },
    { text: "Wait", kinds: ["backtrack"] },
  ]);
  expect(annotate("", marks)).toEqual([]);
});

test("what was found is told from what stands around it, and is text", () => {
  expect(snippet("a &lt;i&gt; <b>wait</b> &amp;amp; on")).toEqual(["a <i> ", "wait", " &amp; on"]);
});

test("an answer goes on from where it ended, thought and all", () => {
  const half = [...turns, { role: "assistant", text: "", thought: "Well" }] as Turn[];
  expect(request("m", noParams(), half, 5).messages).toEqual([
    { role: "user", content: "Hi" },
    { role: "assistant", content: "", prefix: true, reasoning_content: "Well" },
  ]);
});

test("a chunk tells of thought, answer, end, usage or failure", () => {
  const chunk = (o: object) => readChunk(JSON.stringify(o));
  expect(chunk({ choices: [{ delta: { reasoning_content: "a" } }] })).toEqual({ thought: "a", answer: "" });
  expect(chunk({ choices: [{ delta: {}, finish_reason: "length" }] })).toMatchObject({ finish: "length" });
  expect(
    chunk({
      choices: [],
      usage: {
        prompt_tokens: 9, completion_tokens: 8, prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 5 },
      },
    })?.usage,
  ).toEqual({ prompt: 9, cached: 4, thought: 5, answer: 3 });
  expect(chunk({ choices: [], timings: { predicted_per_second: 41.5 } })?.rate).toBe(41.5);
  expect(readChunk("[DONE]")).toBeUndefined();
  expect(() => chunk({ error: { message: "no" } })).toThrow("no");
});
