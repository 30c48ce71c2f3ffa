// What the tests of the page share: a real server, a scripted one, and a browser that notes what it should not see.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

export const source = fileURLToPath(new URL("../..", import.meta.url));
const program = process.env.R1_PROGRAM ?? join(source, "build/release/r1");

export const stateFolder = () => mkdtempSync(join(tmpdir(), "r1-page-"));
const environment = (folder: string) => ({ ...process.env, XDG_STATE_HOME: folder, HOME: folder });

export class Serving {
  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
    readonly folder: string, // where it keeps keys, usage and traces
  ) {}

  static start(models: string[], flags: string[] = [], folder = stateFolder()): Promise<Serving> {
    const child = spawn(program, ["serve", ...models, "--port", "0", "--threads", "1", ...flags], {
      env: environment(folder),
      stdio: ["ignore", "ignore", "pipe"],
    });
    return new Promise((resolve, reject) => {
      let said = "";
      child.on("error", reject);
      child.on("exit", () => reject(new Error(`r1 serve ended: ${said}`)));
      child.stderr!.on("data", (bytes) => {
        said += bytes;
        const url = /serving .* at (http:\S+)\n/.exec(said)?.[1];
        if (url) resolve(new Serving(url, child, folder));
      });
    });
  }

  async stop(): Promise<void> {
    this.child.removeAllListeners("exit");
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

// Another command of r1, with the same state: what it prints.
export const r1 = (folder: string, ...args: string[]) =>
  execFileSync(program, args, { env: environment(folder), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

// A picture for who wants to look at it.
export async function shot(page: Page, name: string): Promise<void> {
  if (process.env.R1_SHOTS) await page.screenshot({ path: join(process.env.R1_SHOTS, `${name}.png`) });
}

export type Script = (request: IncomingMessage, body: string, response: ServerResponse) => void;

// Serves the page as it was built, and answers everything else by the script.
export async function scripted(script: Script): Promise<{ url: string; stop: () => void }> {
  const page = readFileSync(join(source, "web/dist/index.html"));
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (bytes) => (body += bytes));
    request.on("end", () => {
      if (request.url === "/") return response.writeHead(200, { "Content-Type": "text/html" }).end(page);
      script(request, body, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, stop: () => (server.closeAllConnections(), server.close()) };
}

export const json = (response: ServerResponse, value: unknown, status = 200) =>
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));

// A stream of chat completion: deltas as they stand, then usage.
export function stream(response: ServerResponse, deltas: object[], finish: string | null = "stop"): void {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  const event = (o: object) => response.write(`data: ${JSON.stringify(o)}\n\n`);
  for (const delta of deltas) event({ choices: [{ index: 0, delta, finish_reason: null }] });
  if (finish === null) return void setTimeout(() => response.destroy(), 200); // when what was said has arrived
  event({ choices: [{ index: 0, delta: {}, finish_reason: finish }] });
  const completion_tokens = deltas.length;
  event({ choices: [], usage: { prompt_tokens: 7, completion_tokens, completion_tokens_details: { reasoning_tokens: 0 } } });
  response.end("data: [DONE]\n\n");
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.R1_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface Visit {
  page: Page;
  faults: string[]; // errors on the console, violations of the policy, requests to elsewhere
  end: () => Promise<void>;
}

export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  // The page draws its seeds from numbers that are the same in every run: one answer in thirty of r1-nano never ends.
  await page.addInitScript(() => {
    let state = 1;
    Math.random = () => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
  });
  const faults: string[] = [];
  page.on("pageerror", (e) => faults.push(`error: ${e.message}`));
  page.on("console", (m) => {
    // What the browser itself says of an answer with an error's status is no fault of the page.
    if (m.type() === "error" && !m.text().startsWith("Failed to load resource")) faults.push(m.text());
  });
  page.on("request", (r) => {
    if (!/^(data|blob):/.test(r.url()) && new URL(r.url()).origin !== new URL(url).origin)
      faults.push(`request to ${r.url()}`);
  });
  await page.goto(url);
  return { page, faults, end: () => context.close() };
}

export async function say(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.locator("button[aria-label=Send]:enabled").waitFor(); // the models are known
  await page.keyboard.press("Enter");
}

// Until nothing is being generated.
export async function answered(page: Page): Promise<void> {
  await page.locator(".assistant").last().waitFor();
  await page.locator(".assistant[aria-busy=true]").waitFor({ state: "detached" });
}
