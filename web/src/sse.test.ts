import { expect, test } from "vitest";
import { events } from "./sse";

// The same bytes, cut at every `n`th.
function cut(text: string, n: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  return new ReadableStream({
    start(control) {
      for (let i = 0; i < bytes.length; i += n) control.enqueue(bytes.slice(i, i + n));
      control.close();
    },
  });
}

async function all(text: string, n: number): Promise<string[]> {
  const said: string[] = [];
  for await (const data of events(cut(text, n))) said.push(data);
  return said;
}

test("events are the same wherever the bytes are cut", async () => {
  const text = ': keep-alive\n\ndata: {"a": "é√"}\n\ndata:two\r\ndata: lines\r\n\r\nevent: x\rdata: 3\r\rdata: [DONE]\n\n';
  for (let n = 1; n <= text.length; ++n)
    expect(await all(text, n), `pieces of ${n}`).toEqual(['{"a": "é√"}', "two\nlines", "3", "[DONE]"]);
});

test("an event that was not ended is not told", async () => {
  expect(await all("data: whole\n\ndata: half\n", 3)).toEqual(["whole"]);
  expect(await all("data: half", 3)).toEqual([]);
});
