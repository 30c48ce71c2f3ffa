// A conversation is a tree of turns: an edit or another answer is a sibling, and nothing is lost. Functions change
// the conversation they are given.

export interface Params {
  temperature?: number;
  top_p?: number;
  max_tokens?: number;
  seed?: number;
  effort: "auto" | "off" | "low" | "medium" | "high" | "budget";
  budget?: number; // tokens of thought, of effort "budget"
  system: string;
}

export interface Usage {
  prompt: number;
  cached: number;
  thought: number;
  answer: number;
  cost?: number; // dollars
}

export interface Turn {
  id: string;
  parent: string | null;
  role: "user" | "assistant";
  text: string;
  time: number; // milliseconds since 1970
  // An assistant's:
  thought?: string;
  thoughtSeconds?: number;
  seconds?: number; // of the whole answer
  firstSeconds?: number; // until its first piece
  rate?: number; // tokens per second after the first
  model?: string;
  seed?: number;
  usage?: Usage;
  finish?: "stop" | "length" | "cancelled" | "error";
  error?: string;
}

export interface Conversation {
  id: string;
  title: string;
  created: number;
  updated: number;
  model: string;
  params: Params;
  turns: Record<string, Turn>;
  leaf: string | null; // the end of what is shown
}

export const noParams = (): Params => ({ effort: "auto", system: "" });

export function freshId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return Array.from(bytes, (b) => b.toString(36).padStart(2, "0")).join("");
}

export function freshConversation(model: string, params: Params, now = Date.now()): Conversation {
  return { id: freshId(), title: "", created: now, updated: now, model, params: { ...params }, turns: {}, leaf: null };
}

// From the first turn to `leaf`.
export function path(c: Conversation, leaf = c.leaf): Turn[] {
  const turns: Turn[] = [];
  for (let turn = leaf ? c.turns[leaf] : undefined; turn; turn = turn.parent ? c.turns[turn.parent] : undefined)
    turns.unshift(turn);
  return turns;
}

// In the order in which they came.
export function children(c: Conversation, parent: string | null): Turn[] {
  return Object.values(c.turns)
    .filter((t) => t.parent === parent)
    .sort((a, b) => a.time - b.time);
}

export function siblings(c: Conversation, turn: Turn): Turn[] {
  return children(c, turn.parent);
}

export function add(c: Conversation, turn: Omit<Turn, "id" | "time">, now = Date.now()): Turn {
  // Later than its siblings, whatever the clock says.
  const last = children(c, turn.parent).at(-1)?.time ?? 0;
  const whole = { ...turn, id: freshId(), time: Math.max(now, last + 1) };
  c.turns[whole.id] = whole;
  c.leaf = whole.id;
  c.updated = Math.max(now, c.updated);
  if (!c.title && turn.role === "user") c.title = titleOf(turn.text);
  return whole;
}

// Shows the sibling `step` places further, with the newest of what follows it.
export function turnTo(c: Conversation, turn: Turn, step: number): void {
  const all = siblings(c, turn);
  const at = all.findIndex((t) => t.id === turn.id) + step;
  const to = all[at];
  if (!to) return;
  let leaf = to;
  for (let next = children(c, leaf.id).at(-1); next; next = children(c, leaf.id).at(-1)) leaf = next;
  c.leaf = leaf.id;
}

// Takes a turn out with all that follows it, and shows a sibling or the turn before.
export function remove(c: Conversation, turn: Turn): void {
  const rest = siblings(c, turn).filter((t) => t.id !== turn.id);
  const doomed = [turn.id];
  for (let i = 0; i < doomed.length; ++i) for (const t of children(c, doomed[i]!)) doomed.push(t.id);
  const shown = c.leaf !== null && doomed.includes(c.leaf);
  for (const id of doomed) delete c.turns[id];
  if (!shown) return;
  c.leaf = turn.parent;
  const beside = rest.at(-1);
  if (beside) turnTo(c, beside, 0);
}

// A conversation of its own that goes on from `turn`.
export function fork(c: Conversation, turn: Turn, now = Date.now()): Conversation {
  const copy = freshConversation(c.model, c.params, now);
  copy.title = c.title;
  for (const t of path(c, turn.id)) copy.turns[t.id] = { ...t };
  copy.leaf = turn.id;
  return copy;
}

export function titleOf(text: string): string {
  const line = text.trim().split("\n")[0]!.trim().replace(/\s+/g, " ");
  if (line.length <= 60) return line;
  const cut = line.slice(0, 60);
  const space = cut.lastIndexOf(" ");
  return cut.slice(0, space > 40 ? space : 60) + "…";
}
