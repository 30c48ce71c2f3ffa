// The page against the real server: the models are r1-nano, which thinks, and where the data is there SmolLM2.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answered, launch, say, Serving, source, visit } from "./world";

const nano = join(source, "models/r1-nano");
const smol = join(source, "../shared/data/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
const puzzle = "Use 3, 9, 1 to make 24.";

let browser: Browser;
let serving: Serving;
beforeAll(async () => {
  [browser, serving] = await Promise.all([launch(), Serving.start(existsSync(smol) ? [nano, smol] : [nano])]);
});
afterAll(async () => {
  await browser?.close();
  await serving?.stop();
});

async function withPage(use: (page: Awaited<ReturnType<typeof visit>>["page"]) => Promise<void>, options = {}) {
  const { page, faults, end } = await visit(browser, serving.url, options);
  try {
    await use(page);
    expect(faults).toEqual([]);
  } finally {
    await end();
  }
}

test("a puzzle is thought about and answered, and is there after a reload", () =>
  withPage(async (page) => {
    await page.getByRole("button", { name: puzzle }).click();
    await answered(page);
    const thought = page.getByRole("button", { name: /Thought for [\d.]+ m?s.*\d+ tokens/ });
    expect(await thought.getAttribute("aria-expanded")).toBe("false");
    await thought.click();
    expect(await page.locator(".thought").textContent()).toMatch(/\d+[-+*]\d+/);
    const answer = await page.locator(".assistant > .prose").textContent();
    expect(answer).toMatch(/[-+*]/);
    await page.getByTitle("Figures of this answer").click();
    expect(await page.locator(".facts dl").textContent()).toMatch(/Modelr1-nanoPrompt\d+ tokens.*Seed\d+/);
    expect(await page.title()).toBe(`${puzzle} · r1`);
    await page.reload();
    await page.locator(".assistant > .prose").waitFor();
    expect(await page.locator(".assistant > .prose").textContent()).toBe(answer);
  }));

test("answers again and edits are branches, and a branch can leave", () =>
  withPage(async (page) => {
    await say(page, puzzle);
    await answered(page);
    const versions = page.locator(".assistant .siblings");
    await page.getByRole("button", { name: "Answer again" }).click();
    await answered(page);
    expect(await versions.textContent()).toBe("2/2");
    await versions.getByRole("button", { name: "Version before" }).click();
    expect(await versions.textContent()).toBe("1/2");

    await page.keyboard.press("Escape");
    await page.getByRole("textbox", { name: "Message" }).focus();
    await page.keyboard.press("ArrowUp");
    await page.getByRole("textbox", { name: "Edit your message" }).fill("Use 2, 5, 7 to make 17.");
    await page.keyboard.press("Enter");
    await answered(page);
    expect(await page.locator(".user .siblings").textContent()).toBe("2/2");
    expect(await versions.count()).toBe(0);

    const before = page.url();
    await page.getByRole("button", { name: "Branch into a new conversation" }).click();
    await page.waitForURL((url) => url.href !== before);
    expect(await page.locator(".turn").count()).toBe(2);
    expect(await page.locator(".user .siblings").count()).toBe(0);
    expect(await page.locator(".conversations li").count()).toBe(2);
    await page.goBack();
    await page.locator(".user .siblings").waitFor();
  }));

test("the same seed gives the same answer; parameters go with the request and are checked", () =>
  withPage(async (page) => {
    await page.getByRole("button", { name: "Parameters" }).click();
    await page.getByLabel("Seed").fill("11");
    await page.getByLabel("Temperature", { exact: true }).fill("1.5");
    await page.getByLabel("Tokens, at most").fill("40");
    await page.getByLabel("Top-p", { exact: true }).fill("7");
    expect(await page.locator(".wrong").textContent()).toBe("A number from 0 to 1 is wanted.");
    const asked = page.waitForRequest("**/v1/chat/completions");
    await say(page, puzzle);
    expect(JSON.parse((await asked).postData()!)).toMatchObject({ model: "r1-nano", seed: 11, temperature: 1.5, max_tokens: 40 });
    expect(JSON.parse((await asked).postData()!)).not.toHaveProperty("top_p");
    await answered(page);
    const all = async () => {
      const button = page.getByRole("button", { name: /Thought for/ });
      if ((await button.getAttribute("aria-expanded")) === "false") await button.click();
      return page.locator(".assistant .thought").textContent();
    };
    const first = await all();
    await page.getByRole("button", { name: "Answer again" }).click();
    await answered(page);
    expect(await all()).toBe(first);
    await page.reload();
    await page.getByLabel("Seed").waitFor();
    expect(await page.getByLabel("Seed").inputValue()).toBe("11");
  }));

test("an answer cut off by its limit goes on where it ended", () =>
  withPage(async (page) => {
    await page.getByRole("button", { name: "Parameters" }).click();
    await page.getByLabel("Tokens, at most").fill("12");
    await page.getByLabel("Seed").fill("3");
    await say(page, puzzle);
    await answered(page);
    expect(await page.locator(".ending").textContent()).toContain("Cut off at the limit");
    await page.getByRole("button", { name: /Thought for/ }).click();
    const begun = (await page.locator(".thought").textContent())!.trim();
    await page.getByLabel("Tokens, at most").fill("");
    await page.getByRole("button", { name: "Continue" }).click();
    await answered(page);
    expect(await page.locator(".ending").count()).toBe(0);
    expect((await page.locator(".thought").textContent())!.startsWith(begun)).toBe(true);
    expect(await page.locator(".assistant > .prose").textContent()).not.toBe("");
  }));

test("Esc stops, and what was said stays", (t) => {
  t.skip(!existsSync(smol), "SmolLM2 is not there");
  return withPage(async (page) => {
    await page.getByLabel("Model").selectOption({ index: 1 });
    await say(page, "Tell me a long story about a lighthouse.");
    await page.locator(".assistant .prose").waitFor();
    expect(await page.getByRole("button", { name: "Stop" }).isVisible()).toBe(true);
    await page.keyboard.press("Escape");
    await answered(page);
    expect(await page.locator(".ending").textContent()).toContain("Stopped.");
    expect((await page.locator(".assistant .prose").textContent())!.length).toBeGreaterThan(0);
    const load = await (await fetch(`${serving.url}/metrics`)).text();
    expect(load).toMatch(/llamacpp:requests_processing 0\n/);
  });
});

test("conversations are found, renamed, exported, deleted and imported again", () =>
  withPage(async (page) => {
    await say(page, puzzle);
    await answered(page);
    await page.getByRole("button", { name: "New chat" }).click();
    await say(page, "Use 4, 6, 2 to make 26.");
    await answered(page);

    await page.keyboard.press("/");
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe("search");
    await page.keyboard.type("9, 1");
    await page.locator(".conversations h2", { hasText: "Found" }).waitFor();
    expect(await page.locator(".conversations li").count()).toBe(1);
    await page.locator(".conversations li a").click();
    await page.keyboard.press("Escape");

    const download = async (name: string) => {
      const [file] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "This conversation" }).click().then(() => page.getByRole("menuitem", { name }).click()),
      ]);
      return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8"), path: await file.path() };
    };
    const markdown = await download("Export as Markdown");
    expect(markdown.name).toBe("Use-3-9-1-to-make-24.md");
    expect(markdown.text).toMatch(/^# Use 3, 9, 1 to make 24\.\n\n## You\n\nUse 3, 9, 1 to make 24\.\n\n## r1-nano\n\n<details>/);
    const whole = await download("Export as JSON");
    expect(JSON.parse(whole.text).conversations).toHaveLength(1);

    const entry = page.locator(".conversations li.here");
    await page.getByLabel("Search conversations").fill("");
    await entry.hover();
    await entry.getByRole("button").click();
    await page.getByRole("menuitem", { name: "Rename" }).click();
    await page.getByLabel("Title").fill("Twenty-four");
    await page.keyboard.press("Enter");
    await page.getByText("Twenty-four").waitFor();

    await page.getByRole("button", { name: "This conversation" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await page.locator(".empty").waitFor();
    expect(await page.locator(".conversations li").count()).toBe(1);

    await page.getByLabel("File of conversations").setInputFiles(whole.path);
    await page.locator(".assistant > .prose").waitFor();
    expect(await page.locator(".conversations li").count()).toBe(2);
    await page.getByLabel("File of conversations").setInputFiles({ name: "x.json", mimeType: "application/json", buffer: Buffer.from("{}") });
    await page.getByText("Nothing imported").waitFor();
  }));

test("the engine is shown as it is", () =>
  withPage(async (page) => {
    await page.getByRole("button", { name: "Engine" }).click();
    const tile = (name: string) => page.locator(".tile", { hasText: name }).locator("strong");
    await tile("Waiting").waitFor();
    expect(await tile("Waiting").textContent()).toBe("0");
    expect(await tile("KV cache in use").textContent()).toMatch(/^[\d.]+ %$/);
    const generated = () => page.locator(".engine dd").nth(1).textContent();
    const before = await generated();
    await say(page, puzzle);
    await answered(page);
    await expect.poll(generated, { timeout: 8000 }).not.toBe(before);
  }));

test("keys", () =>
  withPage(async (page) => {
    await page.getByRole("textbox", { name: "Message" }).focus();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "detached" });
    await page.getByRole("textbox", { name: "Message" }).focus();
    await page.keyboard.type("one");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two?/");
    expect(await page.getByRole("textbox", { name: "Message" }).inputValue()).toBe("one\ntwo?/");
    expect(await page.locator(".turn").count()).toBe(0);
    await page.keyboard.press("Control+Shift+O");
    expect(await page.locator(".turn").count()).toBe(0);
  }));
