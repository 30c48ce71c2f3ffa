// What the page shows and what can be done with it. A conversation is changed in place; `changed` tells of it, and
// `tick` of answers that grow meanwhile.
import { batch, computed, effect, signal } from "@preact/signals";
import * as api from "./api";
import { fromJson } from "./exchange";
import { recall, remember, type Theme } from "./settings";
import { openStore, type Head, type Store } from "./store";
import * as tree from "./tree";
import type { Conversation, Params, Turn } from "./tree";

export const models = signal<string[]>([]);
export const heads = signal<Head[]>([]);
export const conversation = signal<Conversation>(tree.freshConversation("", recall.params()));
export const changed = signal(0);
export const tick = signal(0);
export const notice = signal("");
export const said = signal(""); // for screen readers
export const keyWanted = signal(false); // the dialog that asks for one
export const locked = signal(""); // why the server lets no one in without another key
export const view = signal<"chat" | "traces">("chat");
export const panel = signal<"" | "parameters" | "engine">(recall.panel());
export const drawer = signal(false); // the list of conversations, on a narrow screen
export const keysShown = signal(false);
export const editing = signal<string>(""); // the id of the user's turn that is being edited
export const tracesThere = signal(false);
export const theme = signal<Theme>(recall.theme());
export const lasting = signal(true);

let store: Store;
// Other tabs, whose lists of conversations are to follow.
const others = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("r1");
const live = new Map<string, { stop: AbortController; conversation: Conversation }>(); // by id of turn

export const isLive = (turn: Turn | undefined) => turn !== undefined && live.has(turn.id);
export const liveLeaf = computed(() => {
  changed.value;
  const c = conversation.value;
  return c.leaf !== null && live.has(c.leaf) ? c.turns[c.leaf] : undefined;
});

effect(() => {
  document.documentElement.dataset.theme = theme.value;
  remember("theme", theme.value);
});
effect(() => remember("panel", panel.value));
effect(() => {
  changed.value;
  const { title } = conversation.value;
  document.title = view.value === "traces" ? "Traces · r1" : title ? `${title} · r1` : "r1";
});

const bump = () => void ++changed.value;

// --- Beginning ---

export async function begin(): Promise<void> {
  api.setKey(recall.key());
  store = await openStore();
  lasting.value = store.lasting;
  heads.value = sorted(await store.heads());
  window.addEventListener("hashchange", follow);
  window.addEventListener("pagehide", () => {
    for (const { conversation: c } of live.values()) void store.put(c);
  });
  others?.addEventListener("message", async () => (heads.value = sorted(await store.heads())));
  await follow();
  await connect();
}

export async function connect(): Promise<void> {
  try {
    const list = await api.models();
    batch(() => {
      models.value = list;
      keyWanted.value = false;
      locked.value = "";
      notice.value = "";
    });
    const c = conversation.value;
    if (!list.includes(c.model)) c.model = list.includes(recall.model()) ? recall.model() : (list[0] ?? "");
    bump();
    api.traces("").then(
      () => (tracesThere.value = true),
      () => (tracesThere.value = false),
    );
  } catch (e) {
    told(e);
  }
}

export async function useKey(secret: string, stays: boolean): Promise<boolean> {
  api.setKey(secret);
  await connect();
  if (locked.value) return false;
  remember("key", secret, stays);
  return true;
}

function told(e: unknown): string {
  const text = e instanceof Error ? e.message : String(e);
  if (e instanceof api.ApiError && e.status === 401) {
    locked.value = e.code === "expired_api_key" ? `${text}.`.replace(/^t/, "T") : "The server does not take this key.";
    keyWanted.value = true;
  } else notice.value = text;
  return text;
}

// --- Which conversation ---

async function follow(): Promise<void> {
  const hash = decodeURIComponent(location.hash.slice(1));
  view.value = hash.startsWith("traces") ? "traces" : "chat";
  if (view.value === "traces") return;
  if (hash === conversation.value.id) return;
  const running = [...live.values()].find((l) => l.conversation.id === hash)?.conversation;
  const found = hash ? (running ?? (await store.get(hash))) : undefined;
  if (found) show(found);
  else if (Object.keys(conversation.value.turns).length > 0) show(blank());
}

const blank = () => tree.freshConversation(conversation.value.model, recall.params());

function show(c: Conversation): void {
  batch(() => {
    if (models.value.length > 0 && !models.value.includes(c.model)) c.model = models.value[0]!;
    conversation.value = c;
    view.value = "chat";
    drawer.value = false;
    editing.value = "";
    bump();
  });
}

export function open(id: string): void {
  if (location.hash.slice(1) === id) void follow();
  location.hash = id;
  drawer.value = false;
}

export function startNew(): void {
  show(blank());
  history.pushState(null, "", location.pathname);
}

async function save(c: Conversation): Promise<void> {
  await store.put(c);
  heads.value = sorted([...heads.value.filter((h) => h.id !== c.id), c]);
  others?.postMessage(c.id);
}

const sorted = (list: Head[]) =>
  list
    .map(({ id, title, created, updated }) => ({ id, title, created, updated }))
    .sort((a, b) => b.updated - a.updated);

export async function forget(id: string): Promise<void> {
  for (const [turn, l] of live) {
    if (l.conversation.id !== id) continue;
    live.delete(turn);
    l.stop.abort();
  }
  await store.remove(id);
  heads.value = heads.value.filter((h) => h.id !== id);
  others?.postMessage(id);
  if (conversation.value.id === id) startNew();
}

export async function rename(id: string, title: string): Promise<void> {
  const c = conversation.value.id === id ? conversation.value : await store.get(id);
  if (!c || !title.trim()) return;
  c.title = title.trim();
  bump();
  await save(c);
}

export const search = (query: string) => store.search(query);
export const everything = () => store.all();

export async function importFile(text: string): Promise<void> {
  try {
    const read = fromJson(text);
    for (const c of read) await save(c);
    if (read[0]) open(read[0].id);
    notice.value = `${read.length} conversation${read.length === 1 ? "" : "s"} imported.`;
  } catch (e) {
    notice.value = `Nothing imported: ${e instanceof Error ? e.message : e}`;
  }
}

// --- Settings of the conversation ---

export function setModel(name: string): void {
  conversation.value.model = name;
  remember("model", name);
  bump();
}

export function setParams(change: Partial<Params>): void {
  const c = conversation.value;
  Object.assign(c.params, change);
  remember("params", JSON.stringify(c.params));
  bump();
  if (c.leaf) void save(c);
}

// --- Turns ---

export function send(text: string): void {
  const c = conversation.value;
  if (liveLeaf.value || !text.trim()) return;
  const turn = tree.add(c, { parent: c.leaf, role: "user", text: text.trim() });
  if (location.hash.slice(1) !== c.id) history.pushState(null, "", `#${c.id}`);
  void answer(c, turn.id);
}

export function edit(turn: Turn, text: string): void {
  const c = conversation.value;
  editing.value = "";
  if (!text.trim() || text.trim() === turn.text) return bump();
  stop();
  const changedTurn = tree.add(c, { parent: turn.parent, role: "user", text: text.trim() });
  void answer(c, changedTurn.id);
}

export function again(turn: Turn): void {
  stop();
  void answer(conversation.value, turn.parent!);
}

export function goOn(turn: Turn): void {
  if (!isLive(turn)) void generate(conversation.value, turn);
}

export function stop(): void {
  const turn = liveLeaf.value;
  if (turn) live.get(turn.id)!.stop.abort();
}

export function beside(turn: Turn, step: number): void {
  tree.turnTo(conversation.value, turn, step);
  bump();
  void save(conversation.value);
}

export function branch(turn: Turn): void {
  const copy = tree.fork(conversation.value, turn);
  void save(copy).then(() => open(copy.id));
}

export function drop(turn: Turn): void {
  stop();
  const c = conversation.value;
  tree.remove(c, turn);
  bump();
  void save(c);
}

async function answer(c: Conversation, parent: string): Promise<void> {
  await generate(c, tree.add(c, { parent, role: "assistant", text: "", thought: "", model: c.model }));
}

// A seed of our own where none is wished, so that every answer can be had again.
const freshSeed = () => Math.floor(Math.random() * 2 ** 32);

async function generate(c: Conversation, turn: Turn): Promise<void> {
  const control = new AbortController();
  live.set(turn.id, { stop: control, conversation: c });
  const continued = Boolean(turn.text || turn.thought);
  const before = { thought: turn.thoughtSeconds ?? 0, all: turn.seconds ?? 0, usage: turn.usage };
  turn.seed = c.params.seed ?? turn.seed ?? freshSeed();
  turn.usage = { prompt: 0, cached: 0, thought: before.usage?.thought ?? 0, answer: before.usage?.answer ?? 0 };
  delete turn.error;
  delete turn.finish;
  delete turn.rate;
  bump();
  void save(c);
  said.value = "The model is at work.";
  const from = performance.now();
  const since = () => (performance.now() - from) / 1000;
  const timer = setInterval(() => {
    turn.seconds = before.all + since();
    grow();
  }, 200);
  const saver = setInterval(() => void save(c), 3000);
  let thinking = 0; // seconds at which the thought was last heard of
  let first: { made: number; at: number } | undefined; // tokens of the first piece, and when it came
  try {
    const turns = tree.path(c, continued ? turn.id : turn.parent);
    const body = api.request(turn.model ?? c.model, c.params, turns, turn.seed);
    for await (const delta of api.ask(body, control.signal)) {
      if (delta.thought || delta.answer) turn.firstSeconds ??= since();
      if (delta.thought) {
        turn.thought += delta.thought;
        thinking = since();
        turn.thoughtSeconds = before.thought + thinking;
      }
      turn.text += delta.answer;
      if (delta.finish) turn.finish = delta.finish;
      if (delta.usage) turn.usage = sum(delta.usage, before.usage);
      const made = delta.usage ? delta.usage.thought + delta.usage.answer : 0;
      if (made > 0) first ??= { made, at: since() };
      if (delta.rate) turn.rate = delta.rate;
      else if (first && made > first.made && since() > first.at) turn.rate = (made - first.made) / (since() - first.at);
      turn.seconds = before.all + since();
      grow();
    }
  } catch (e) {
    if (control.signal.aborted) turn.finish = "cancelled";
    else {
      turn.finish = "error";
      turn.error = api.isApiError(e) && e.status === 401 ? (told(e), "A key is wanted.") : describe(e);
    }
  } finally {
    clearInterval(timer);
    clearInterval(saver);
    turn.seconds = before.all + since();
    if (control.signal.aborted) turn.finish ??= "cancelled";
    const wanted = live.delete(turn.id); // else the conversation was deleted meanwhile
    c.updated = Date.now();
    said.value = turn.finish === "error" ? `The answer failed: ${turn.error}` : "The answer is there.";
    bump();
    if (wanted) await save(c);
  }
}

function sum(a: tree.Usage, b?: tree.Usage): tree.Usage {
  if (!b) return a;
  const cost = a.cost === undefined && b.cost === undefined ? undefined : (a.cost ?? 0) + (b.cost ?? 0);
  return { prompt: a.prompt, cached: a.cached, thought: a.thought + b.thought, answer: a.answer + b.answer, cost };
}

function describe(e: unknown): string {
  if (!api.isApiError(e)) return e instanceof Error ? e.message : String(e);
  return e.retryAfter > 0 ? `${e.message} (free again in about ${e.retryAfter} s)` : e.message;
}

// At most once a frame.
let due = false;
function grow(): void {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    ++tick.value;
  });
}
