// The page against a scripted server, which says what no model here says on demand.
import type { ServerResponse } from "node:http";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answered, json, launch, say, scripted, stream, visit, type Script } from "./world";

let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser?.close());

type Answer = (response: ServerResponse, body: any) => void;

// A server of one model whose answers to chats are `answer`'s.
async function withServer(
  answer: Answer,
  use: (page: Page, url: string) => Promise<void>,
  options: BrowserContextOptions = {},
  more: Script = (_, __, response) => json(response, {}, 404),
) {
  const server = await scripted((request, body, response) => {
    if (request.url === "/v1/models") return json(response, { data: [{ id: "scripted" }] });
    if (request.url === "/v1/chat/completions") return answer(response, JSON.parse(body));
    more(request, body, response);
  });
  const { page, faults, end } = await visit(browser, server.url, options);
  try {
    await use(page, server.url);
    expect(faults).toEqual([]);
  } finally {
    await end();
    server.stop();
  }
}

const says = (text: string): Answer => (response) => stream(response, (text.match(/[^]{1,7}/gu) ?? []).map((content) => ({ content })));
const prose = (page: Page) => page.locator(".assistant > .prose");

test("mathematics in all four delimiters is set, and the policy forbids none of it", () =>
  withServer(
    says(
      "Inline $\\frac{a}{b}$ and \\(\\sqrt[3]{x}\\).\n\n$$\\int_0^1 x\\,dx = \\tfrac12$$\n\n\\[\n\\begin{pmatrix} a & b \\\\[2pt] c & d \\end{pmatrix}\n\\]\n\n" +
        "$\\color{red}{r}$ $\\boxed{24}$ $\\overbrace{x+y}^{n}$ $\\cancel{x}$ $\\rule{1em}{2pt}$ $\\notacommand{x}$ but $5 and $6. $\\href{javascript:alert(1)}{x}$",
    ),
    async (page) => {
      await say(page, "Go on");
      await answered(page);
      expect(await prose(page).locator(".katex-display").count()).toBe(2);
      expect(await prose(page).locator(".katex").count()).toBeGreaterThanOrEqual(9);
      expect(await prose(page).locator("math").first().textContent()).toContain("a");
      expect(await prose(page).textContent()).toContain("but $5 and $6.");
      expect(await prose(page).locator("a").count()).toBe(0);
      const font = await prose(page).locator(".mathnormal").first().evaluate((e) => document.fonts.check(`16px ${getComputedStyle(e).fontFamily}`));
      expect(font).toBe(true);
    },
  ));

test("an answer cannot act: its HTML is text, its pictures are links, its scripts are nothing", () =>
  withServer(
    says(
      '<img src=x onerror="document.title=1"><script>document.title=2</script>\n\n[a](javascript:document.title=3) ![p](https://example.org/p.png)\n\n' +
        '```"onload="x\n<svg onload=document.title=4>\n```\n\n<style>body{display:none}</style> $\\htmlStyle{color:red}{x}$ [ok](https://example.org)',
    ),
    async (page) => {
      await say(page, "Attack");
      await answered(page);
      expect(await page.title()).toBe("Attack · r1");
      expect(await prose(page).locator("img, script, style, svg[onload], iframe").count()).toBe(0);
      expect(await prose(page).textContent()).toContain('<img src=x onerror="document.title=1">');
      const links = await prose(page).locator("a").evaluateAll((all) => all.map((a) => [(a as HTMLAnchorElement).href, (a as HTMLAnchorElement).rel]));
      expect(links).toEqual([
        ["https://example.org/p.png", "noopener noreferrer nofollow"],
        ["https://example.org/", "noopener noreferrer nofollow"],
      ]);
    },
  ));

test("Markdown: tables, lists, and code that can be copied", () =>
  withServer(
    says("| a | b |\n|--|--:|\n| 1 | 2 |\n\n1. one\n2. two\n\n```python\ndef f(x):\n    return x < 2\n```\n"),
    async (page) => {
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await say(page, "Code, please");
      await answered(page);
      expect(await prose(page).locator("td").allTextContents()).toEqual(["1", "2"]);
      expect(await prose(page).locator("ol li").count()).toBe(2);
      await prose(page).getByRole("button", { name: "Copy" }).click();
      await prose(page).getByRole("button", { name: "Copied" }).waitFor();
      expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("def f(x):\n    return x < 2");
    },
  ));

test("a thought is shown while it comes, and folded when the answer begins", () => {
  let go = () => {};
  return withServer(
    (response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      const event = (o: object) => response.write(`data: ${JSON.stringify(o)}\n\n`);
      for (const [i, reasoning_content] of ["Let ", "me ", "see."].entries()) {
        const usage = { prompt_tokens: 3, completion_tokens: i + 1, completion_tokens_details: { reasoning_tokens: i + 1 } };
        event({ choices: [{ delta: { reasoning_content } }], usage });
      }
      go = () => {
        for (const content of ["It ", "is 4."]) event({ choices: [{ delta: { content } }] });
        event({ choices: [{ delta: {}, finish_reason: "stop" }] });
        event({
          choices: [],
          usage: { prompt_tokens: 3, completion_tokens: 5, completion_tokens_details: { reasoning_tokens: 3 }, cost: 0.0021 },
        });
        response.end("data: [DONE]\n\n");
      };
    },
    async (page) => {
      await say(page, "2 + 2");
      const thinking = page.getByRole("button", { name: /^Thinking/ });
      await page.getByText("Let me see.").waitFor();
      expect(await thinking.getAttribute("aria-expanded")).toBe("true");
      expect(await thinking.textContent()).toMatch(/Thinking.*s.*3 tokens/);
      const busy = page.locator(".assistant");
      expect(await busy.getAttribute("aria-busy")).toBe("true");
      go();
      await answered(page);
      const thought = page.getByRole("button", { name: /^Thought for/ });
      expect(await thought.getAttribute("aria-expanded")).toBe("false");
      expect((await prose(page).textContent())!.trim()).toBe("It is 4.");
      expect(await page.locator(".facts").textContent()).toContain("$0.0021");
      expect(await page.locator(".total").textContent()).toContain("5 tokens · $0.0021");
    },
  );
});

test("what goes wrong is said where it went wrong, and nothing is lost", () => {
  let turn = 0;
  return withServer(
    (response, body) => {
      ++turn;
      if (turn === 1) {
        response.setHeader("Retry-After", "7");
        return json(response, { error: { message: "server busy: 512 generations are under way" } }, 429);
      }
      if (turn === 2) return stream(response, [{ content: "Half of it" }], null);
      expect(body.messages.at(-1)).toEqual({ role: "assistant", content: "Half of it", prefix: true });
      stream(response, [{ content: ", and the rest." }]);
    },
    async (page) => {
      await say(page, "Go on");
      await answered(page);
      expect(await page.getByRole("alert").textContent()).toMatch(/server busy.*about 7 s/);
      await page.getByRole("button", { name: "Try again" }).click();
      await page.getByText("Half of it").waitFor();
      await answered(page);
      expect(await page.getByRole("alert").textContent()).toContain("The connection ended before the answer did.");
      await page.getByRole("button", { name: "Continue" }).click();
      await page.getByText("Half of it, and the rest.").waitFor();
      await answered(page);
      expect(await page.getByRole("alert").count()).toBe(0);
    },
  );
});

test("the theme is the system's until it is chosen, and is kept", () =>
  withServer(
    says("."),
    async (page) => {
      expect(await page.getByRole("link", { name: "Traces" }).count()).toBe(0);
      const dark = () => page.evaluate(() => getComputedStyle(document.body).color !== "" && getComputedStyle(document.documentElement).backgroundColor);
      const night = "rgb(25, 24, 22)";
      expect(await dark()).toBe(night);
      await page.getByRole("button", { name: "Theme: as the system" }).click();
      expect(await dark()).not.toBe(night);
      await page.reload();
      await page.getByRole("button", { name: "Theme: light" }).click();
      expect(await dark()).toBe(night);
      await page.getByRole("button", { name: "Theme: dark" }).waitFor();
    },
    { colorScheme: "dark" },
  ));

for (const width of [390, 320])
  test(`a phone, ${width} wide: nothing runs over the edge, and everything is in reach`, () =>
    withServer(
      says("A long formula $$\\sum_{k=1}^{n} k^2 = \\frac{n(n+1)(2n+1)}{6} = 1 + 4 + 9 + 16 + 25 + 36 + 49 + 64$$\n\n```\n" + "x".repeat(200) + "\n```\n\n| a | b | c | d | e |\n|-|-|-|-|-|\n| " + "wide cell | ".repeat(5) + "\n\n" + "w".repeat(100)),
      async (page) => {
        await say(page, "Wide " + "v".repeat(80));
        await answered(page);
        const over = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth + document.querySelector(".turns")!.scrollWidth - document.querySelector(".turns")!.clientWidth);
        expect(await over()).toBe(0);
        await page.getByRole("button", { name: "Conversations" }).tap();
        await page.getByRole("button", { name: "New chat" }).waitFor();
        await page.getByRole("button", { name: "Close the list" }).tap();
        await page.getByRole("button", { name: "Parameters" }).tap();
        await page.getByLabel("System prompt").waitFor();
        await page.getByRole("button", { name: "Close Parameters" }).tap();
        expect(await over()).toBe(0);
      },
      { viewport: { width, height: 700 }, hasTouch: true, isMobile: true },
    ));

test("everything that can be used has a name", () =>
  withServer(says("# Title\n\n`x`\n\n```c\nint a;\n```"), async (page) => {
    await say(page, "Hi");
    await answered(page);
    for (const name of ["Parameters", "Engine"]) {
      await page.getByRole("button", { name }).click();
      const nameless = await page.evaluate(() =>
        [...document.querySelectorAll<HTMLElement>("button, a, input, select, textarea, [role=menuitem], dialog, aside, nav")]
          .filter((e) => !e.hidden)
          .filter((e) => !(e.getAttribute("aria-label") || e.textContent?.trim() || (e as HTMLInputElement).labels?.length))
          .map((e) => e.outerHTML.slice(0, 80)),
      );
      expect(nameless).toEqual([]);
    }
  }));

test("an answer of thirty thousand tokens is followed without falling behind", () => {
  const paragraph = "Wait, let me check $x^2 + y^2 = z^2$ for *small* values of `z`: one, two, three and so on, until it fits.\n\n";
  const deltas = Array.from({ length: 30_000 }, (_, i) => ({ reasoning_content: paragraph.slice((i * 4) % paragraph.length, ((i * 4) % paragraph.length) + 4) }));
  return withServer(
    (response) => stream(response, [...deltas, { content: "Done." }]),
    async (page) => {
      await page.evaluate(() => {
        (window as any).longest = 0;
        new PerformanceObserver((list) => {
          for (const e of list.getEntries()) (window as any).longest = Math.max((window as any).longest, e.duration);
        }).observe({ type: "longtask" });
      });
      await say(page, "Think long");
      await answered(page);
      expect((await prose(page).textContent())!.trim()).toBe("Done.");
      console.log("the longest the page was busy at once:", await page.evaluate(() => (window as any).longest), "ms");
    },
  );
});
