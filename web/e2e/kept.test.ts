// What the server keeps, counts and guards, as the page shows it: traces, cost, keys, the engine's load, against r1 serve
// with all of them.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { count, dollars, rate, seconds, share, tokens } from "../src/format";
import { answered, launch, r1, say, Serving, shot, source, stateFolder, visit } from "./world";

const nano = join(source, "models/r1-nano");
const smol = join(source, "../shared/data/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
const puzzles = ["Use 3, 9, 1 to make 24.", "Use 7, 4, 2 to make 26.", "Use 8, 5, 6 to make 43."];

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser?.close());

async function see(url: string, use: (page: Page) => Promise<void>, options: BrowserContextOptions = {}): Promise<void> {
  const { page, faults, end } = await visit(browser, url, options);
  try {
    await use(page);
    expect(faults).toEqual([]);
  } finally {
    await end();
  }
}

const get = async (url: string, key = "") => (await fetch(url, { headers: key ? { Authorization: `Bearer ${key}` } : {} })).json();
const over = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

describe("a server that keeps traces", () => {
  let serving: Serving;
  // Prices that nobody else has.
  const price = { hit: 1, miss: 20, output: 300 };
  beforeAll(async () => {
    const folder = stateFolder();
    const prices = join(folder, "prices.toml");
    writeFileSync(prices, `[default]\ncache_hit = ${price.hit}\ncache_miss = ${price.miss}\noutput = ${price.output}\n`);
    serving = await Serving.start([nano], ["--traces", "--prices", prices], folder);
    for (const [i, puzzle] of puzzles.entries()) {
      const body = { model: "r1-nano", messages: [{ role: "user", content: puzzle }], seed: i };
      // One answer is held to a number, which the thought has said before.
      const form = i === 0 ? { response_format: { type: "regex", regex: "24" } } : {};
      await fetch(`${serving.url}/v1/chat/completions`, { method: "POST", body: JSON.stringify({ ...body, ...form }) });
    }
  });
  afterAll(() => serving?.stop());

  test("its traces are listed, searched, and shown with the structure of their thoughts", () =>
    see(serving.url, async (page) => {
      await page.getByRole("link", { name: "Traces" }).click();
      const entries = page.locator(".trace-list li");
      await expect.poll(() => entries.locator(".title").allTextContents()).toEqual([...puzzles].reverse());
      expect(await entries.first().textContent()).toMatch(/r1-nano · \d+ \+ \d+ tokens/);
      await page.getByLabel("Search traces").fill("zebra");
      await page.getByText("No trace has these words.").waitFor();
      await page.getByLabel("Search traces").fill('"make 26"');
      await expect.poll(() => entries.locator(".title").allTextContents()).toEqual([puzzles[1]]);
      await page.getByLabel("Search traces").fill("");
      await expect.poll(() => entries.count()).toBe(3);

      for (const [i, puzzle] of puzzles.entries()) {
        const told = await get(`${serving.url}/traces/${i + 1}`);
        const { structure } = told;
        await entries.filter({ hasText: puzzle }).click();
        await page.locator(".trace .prompt", { hasText: puzzle }).waitFor();
        await page.locator(".marked").waitFor();
        expect(await page.locator(".marked").textContent()).toBe(told.thought);
        const legend = await page.locator(".legend").textContent();
        expect(legend).toContain(`${tokens(told.tokens.thought)}, ${count(told.thought.length)} characters, `);
        expect(legend).toContain(`checks ${structure.checks}turns back ${structure.backtracks}attempts ${structure.attempts}`);
        expect(structure.checks).toBeGreaterThan(0);
        const marked = await page.locator(".marked mark").evaluateAll((all) => all.map((m) => [m.textContent, m.className]));
        for (const kind of ["check", "backtrack", "attempt"]) {
          const shown = marked.filter(([, c]) => c!.split(" ").includes(kind)).map(([text]) => text).join("");
          expect(shown).toBe(structure.marks.filter((m: any) => m.kind === kind).map((m: any) => told.thought.slice(m.begin, m.end)).join(""));
        }
        if (i === 0) {
          expect(structure.first).not.toBeNull();
          expect(legend).toContain(`the answer 24 first said after ${share(structure.first.share)}`);
          expect(await page.locator(".marked .first").allTextContents()).toEqual(["24"]);
        } else {
          expect(legend).toContain(`the answer ${told.answer} stands nowhere in it`);
        }
        expect(await page.locator(".strip rect").count()).toBe(structure.marks.length + (structure.first ? 1 : 0));
        const facts = await page.locator(".table-of").textContent();
        expect(facts).toContain(`sha256 ${told.model.sha256}`);
        expect(facts).toContain(`seed ${i}`);
        expect(facts).toContain(`whole ${seconds(told.seconds.whole)}`);
        await shot(page, `trace-${i + 1}`);
      }
      await page.goBack();
      await page.getByRole("link", { name: "Back to chat" }).click();
      await page.locator(".empty").waitFor();
    }));

  test("older traces come when they are asked for; an erased one is gone, and a link to it says so", () =>
    see(serving.url, async (page) => {
      for (let i = 0; i < 60; ++i)
        await fetch(`${serving.url}/v1/completions`, { method: "POST", body: JSON.stringify({ model: "r1-nano", prompt: "7*8=", max_tokens: 1 }) });
      r1(serving.folder, "trace", "erase", "2");
      await page.goto(`${serving.url}/#traces`);
      const entries = page.locator(".trace-list li");
      await expect.poll(() => entries.count()).toBe(50);
      await page.getByRole("button", { name: "Older ones" }).click();
      await expect.poll(() => entries.count()).toBe(62);
      expect(await page.getByRole("button", { name: "Older ones" }).count()).toBe(0);
      await page.goto(`${serving.url}/#traces/2`);
      await page.getByText("This trace was erased.").waitFor();
      await page.goto(`${serving.url}/#traces/99999`);
      await page.getByText("There is no such trace.").waitFor();
    }));

  test("on a phone and in the dark nothing runs over the edge", () =>
    see(
      `${serving.url}/#traces`,
      async (page) => {
        await page.getByText(puzzles[2]!).or(page.getByRole("button", { name: "Older ones" })).first().waitFor();
        await shot(page, "phone-traces");
        expect(await over(page)).toBe(0);
        await page.goto(`${serving.url}/#traces/3`);
        await page.locator(".marked").waitFor();
        expect(await over(page)).toBe(0);
        await shot(page, "phone-trace");
        await page.getByRole("link", { name: "All traces" }).tap();
        await page.getByLabel("Search traces").waitFor();
      },
      { viewport: { width: 390, height: 700 }, hasTouch: true, isMobile: true, colorScheme: "dark" },
    ));

  test("the figures of an answer are the server's own", () =>
    see(serving.url, async (page) => {
      const before = JSON.parse(r1(serving.folder, "usage", "--json")).total;
      let cost = 0;
      let made = 0;
      let body = "";
      await page.route("**/v1/chat/completions", async (route) => {
        const response = await route.fetch();
        body = await response.text();
        await route.fulfill({ response, body });
      });
      for (const puzzle of puzzles.slice(1)) {
        await say(page, puzzle);
        await answered(page);
        const lines = body.split("\n").filter((line) => line.startsWith("data: {"));
        const chunks = lines.map((line) => JSON.parse(line.slice(6)));
        const { usage, timings } = chunks.at(-1);
        cost += usage.cost;
        made += usage.completion_tokens;
        // Tokens are told all along, not only at the end, and never fewer.
        const counts = chunks.map((c) => c.usage.completion_tokens);
        expect(counts).toEqual([...counts].sort((a, b) => a - b));
        expect(new Set(counts).size).toBeGreaterThan(2);
        const facts = page.locator(".assistant").last().locator(".facts");
        expect(await facts.textContent()).toContain(
          `${tokens(usage.completion_tokens)}${rate(timings.predicted_per_second)}/s${dollars(usage.cost)}`,
        );
        await facts.getByRole("button").click();
        const table = await facts.locator("dl").textContent();
        expect(table).toContain(`Prompt${tokens(usage.prompt_tokens)}`);
        expect(table).toContain(`Thought${tokens(usage.completion_tokens_details.reasoning_tokens)}`);
        expect(table).toContain(`Cost${dollars(usage.cost)}`);
        const { hit, miss, output } = price;
        const cached = usage.prompt_tokens_details.cached_tokens;
        expect(usage.cost).toBeCloseTo((cached * hit + (usage.prompt_tokens - cached) * miss + usage.completion_tokens * output) / 1e6, 9);
      }
      await shot(page, "figures");
      expect(await page.locator(".total").textContent()).toBe(`${count(made)} tokens · ${dollars(cost)}`);
      const after = JSON.parse(r1(serving.folder, "usage", "--json")).total;
      expect(after.cost - before.cost).toBeCloseTo(cost, 9);
      expect(after.generated_tokens - before.generated_tokens).toBe(made);
    }));
});

test("while an answer comes its rate and the engine's load are shown", (t) => {
  t.skip(!existsSync(smol), "SmolLM2 is not there");
  return (async () => {
    const serving = await Serving.start([smol]);
    try {
      await see(serving.url, async (page) => {
        // The tokens that end an answer are ruled out: it lasts until it is stopped.
        await page.route("**/v1/chat/completions", (route) =>
          route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), logit_bias: { 0: -100, 2: -100 } }) }),
        );
        await page.getByRole("button", { name: "Engine" }).click();
        const tile = (name: string) => page.locator(".tile", { hasText: name }).locator("strong");
        await tile("Running").waitFor();
        await say(page, "Tell me a long story about a lighthouse.");
        await expect.poll(() => tile("Running").textContent(), { timeout: 8000 }).toBe("1");
        await expect.poll(() => page.locator(".total").textContent()).toMatch(/^\d+ tokens · [\d.\u202f]+\/s$/);
        await expect.poll(async () => Number((await tile("Tokens per second").textContent())!.replace("\u202f", "")), { timeout: 8000 }).toBeGreaterThan(0);
        await shot(page, "engine");
        await page.getByRole("button", { name: "Stop" }).click();
        await answered(page);
        // What was generated until then is counted, to the token.
        const shown = Number(/^\d+/.exec((await page.locator(".facts").textContent())!.replace("\u202f", ""))![0]);
        const text = await (await fetch(`${serving.url}/metrics`)).text();
        const counted = Number(/^vllm:generation_tokens_total (\d+)$/m.exec(text)![1]);
        expect(shown).toBeGreaterThan(0);
        expect(counted).toBeGreaterThanOrEqual(shown);
        await expect.poll(() => tile("Running").textContent(), { timeout: 8000 }).toBe("0");
      });
    } finally {
      await serving.stop();
    }
  })();
});

describe("a server with keys", () => {
  let serving: Serving;
  const keys: Record<string, string> = {};
  beforeAll(async () => {
    serving = await Serving.start([nano], ["--traces"]);
    const create = (name: string, ...flags: string[]) => (keys[name] = r1(serving.folder, "key", "create", name, ...flags).trim());
    create("user");
    create("owner", "--scope", "use", "--scope", "traces", "--scope", "metrics");
    create("old", "--days", "1");
    create("poor", "--budget", "0.00001");
    create("gone");
    const file = join(serving.folder, "r1/keys.json");
    const all = JSON.parse(readFileSync(file, "utf8"));
    all.keys.find((k: any) => k.name === "old").expires = 1_700_000_000;
    writeFileSync(file, JSON.stringify(all));
  });
  afterAll(() => serving?.stop());

  const dialog = (page: Page) => page.getByRole("dialog", { name: "This server wants a key" });
  async function enter(page: Page, key: string): Promise<void> {
    await dialog(page).getByLabel("Key", { exact: true }).fill(key);
    await page.keyboard.press("Enter");
  }

  test("without one it asks; a wrong and an expired one are told; the right one lets in, for this tab", () =>
    see(serving.url, async (page) => {
      await dialog(page).waitFor();
      expect(await dialog(page).getByRole("alert").count()).toBe(0);
      await shot(page, "key");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Enter a key" }).click();
      await enter(page, "r1-wrong");
      await dialog(page).getByText("The server does not take this key.").waitFor();
      await enter(page, keys.old!);
      await dialog(page).getByText("This key expired at 2023-11-14T22:13:20Z.").waitFor();
      await shot(page, "key-expired");
      await enter(page, keys.user!);
      await dialog(page).waitFor({ state: "detached" });
      await say(page, puzzles[0]!);
      await answered(page);
      expect(await page.locator(".assistant > .prose").textContent()).toMatch(/[-+*]/);
      expect(await page.evaluate(() => [localStorage.getItem("r1.key"), sessionStorage.getItem("r1.key")])).toEqual([null, keys.user]);
      // What this key may not see.
      expect(await page.getByRole("link", { name: "Traces" }).count()).toBe(0);
      await page.getByRole("button", { name: "Engine" }).click();
      await page.getByText("This key may not read the metrics.").waitFor();
      await page.reload();
      await page.locator(".assistant > .prose").waitFor();
      expect(await dialog(page).count()).toBe(0);
    }));

  test("who may read traces and metrics does; a link to a trace waits for the key", () =>
    see(`${serving.url}/#traces`, async (page) => {
      await enter(page, keys.owner!);
      await page.locator(".trace-list li").first().waitFor();
      await page.getByRole("link", { name: "Back to chat" }).click();
      await page.getByRole("button", { name: "Engine" }).click();
      await page.locator(".tile").first().waitFor();
    }));

  test("a budget that is used up, and a key that is revoked, are told where it happens", () =>
    see(serving.url, async (page) => {
      await enter(page, keys.poor!);
      await dialog(page).waitFor({ state: "detached" });
      await say(page, puzzles[0]!);
      await answered(page);
      await say(page, puzzles[1]!);
      await answered(page);
      expect(await page.locator(".ending").textContent()).toMatch(/the budget of this key is used up: \$[\d.]+ of \$0\.00001/);
      await shot(page, "budget");
      await page.evaluate((key) => sessionStorage.setItem("r1.key", key), keys.gone!);
      await page.reload();
      await page.locator(".turn").first().waitFor();
      r1(serving.folder, "key", "revoke", "gone");
      await page.getByRole("button", { name: "Try again" }).click();
      await dialog(page).getByText("The server does not take this key.").waitFor();
      expect(await page.locator(".ending").textContent()).toContain("A key is wanted.");
    }));
});
