// Conversations as files: JSON, which comes back whole, and Markdown, for reading.
import { freshId, noParams, path, type Conversation, type Params, type Turn, type Usage } from "./tree";

const kind = "r1 conversations";

export function toJson(all: Conversation[]): string {
  return JSON.stringify({ format: kind, version: 1, conversations: all }, null, 1);
}

export function toMarkdown(c: Conversation): string {
  const parts = [`# ${c.title || "Conversation"}`];
  if (c.params.system) parts.push(`> ${c.params.system.trim().replace(/\n/g, "\n> ")}`);
  for (const turn of path(c)) {
    parts.push(turn.role === "user" ? "## You" : `## ${turn.model || "Assistant"}`);
    if (turn.thought?.trim())
      parts.push(`<details>\n<summary>Thought</summary>\n\n${turn.thought.trim()}\n\n</details>`);
    if (turn.text.trim()) parts.push(turn.text.trim());
  }
  return parts.join("\n\n") + "\n";
}

// Reads what toJson wrote, possibly by another hand: anything that is not as it must be is an error that names it.
export function fromJson(text: string): Conversation[] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error("this is no JSON file");
  }
  if (!isObject(file) || file.format !== kind || !Array.isArray(file.conversations))
    throw new Error('this is no file of conversations: "format" is not "r1 conversations"');
  if (file.version !== 1) throw new Error(`version ${String(file.version)} of the format is not known here`);
  return file.conversations.map((c, i) => conversation(c, `conversations[${i}]`));
}

type Fields = Record<string, unknown>;
const isObject = (x: unknown): x is Fields => typeof x === "object" && x !== null && !Array.isArray(x);

function text(o: Fields, name: string, where: string): string {
  const x = o[name];
  if (typeof x !== "string") throw new Error(`${where}.${name}: a text is wanted`);
  return x;
}

function number(o: Fields, name: string, where: string): number {
  const x = o[name];
  if (typeof x !== "number" || !Number.isFinite(x)) throw new Error(`${where}.${name}: a number is wanted`);
  return x;
}

const optional = <T>(read: (o: Fields, name: string, where: string) => T) =>
  (o: Fields, name: string, where: string) => (o[name] === undefined || o[name] === null ? undefined : read(o, name, where));
const maybeText = optional(text);
const maybeNumber = optional(number);

function oneOf<T extends string>(choices: readonly T[]) {
  return (o: Fields, name: string, where: string): T => {
    const x = o[name];
    if (!choices.includes(x as T)) throw new Error(`${where}.${name}: one of ${choices.join(", ")} is wanted`);
    return x as T;
  };
}
const role = oneOf(["user", "assistant"]);
const effort = oneOf(["auto", "off", "low", "medium", "high", "budget"]);
const finish = optional(oneOf<NonNullable<Turn["finish"]>>(["stop", "length", "cancelled", "error"]));

function params(x: unknown, where: string): Params {
  if (x === undefined) return noParams();
  if (!isObject(x)) throw new Error(`${where}: an object is wanted`);
  const known = { effort: effort(x, "effort", where), system: text(x, "system", where) } as Params;
  for (const name of ["temperature", "top_p", "max_tokens", "seed", "budget"] as const) {
    const value = maybeNumber(x, name, where);
    if (value !== undefined) known[name] = value;
  }
  return known;
}

function usage(o: Fields, name: string, where: string): Usage {
  const x = o[name];
  const here = `${where}.${name}`;
  if (!isObject(x)) throw new Error(`${here}: an object is wanted`);
  return {
    prompt: number(x, "prompt", here),
    cached: number(x, "cached", here),
    thought: number(x, "thought", here),
    answer: number(x, "answer", here),
    cost: maybeNumber(x, "cost", here),
  };
}
const maybeUsage = optional(usage);

function turn(x: unknown, id: string, where: string): Turn {
  if (!isObject(x)) throw new Error(`${where}: an object is wanted`);
  return {
    id,
    parent: maybeText(x, "parent", where) ?? null,
    role: role(x, "role", where),
    text: text(x, "text", where),
    time: number(x, "time", where),
    thought: maybeText(x, "thought", where),
    thoughtSeconds: maybeNumber(x, "thoughtSeconds", where),
    seconds: maybeNumber(x, "seconds", where),
    firstSeconds: maybeNumber(x, "firstSeconds", where),
    rate: maybeNumber(x, "rate", where),
    model: maybeText(x, "model", where),
    seed: maybeNumber(x, "seed", where),
    usage: maybeUsage(x, "usage", where),
    finish: finish(x, "finish", where),
    error: maybeText(x, "error", where),
  };
}

// Gets an id of its own: what is imported twice is there twice, and nothing is overwritten.
function conversation(x: unknown, where: string): Conversation {
  if (!isObject(x) || !isObject(x.turns)) throw new Error(`${where}: an object with turns is wanted`);
  const turns: Record<string, Turn> = Object.create(null);
  for (const [id, t] of Object.entries(x.turns)) turns[id] = turn(t, id, `${where}.turns.${id}`);
  for (const [id, t] of Object.entries(turns)) {
    const seen = new Set([id]);
    for (let up = t.parent; up !== null; up = turns[up]!.parent) {
      if (!turns[up]) throw new Error(`${where}.turns.${id}.parent: there is no turn ${JSON.stringify(up)}`);
      if (seen.has(up)) throw new Error(`${where}.turns.${id}.parent: the turns run in a circle`);
      seen.add(up);
    }
  }
  const leaf = maybeText(x, "leaf", where) ?? null;
  if (leaf !== null && !turns[leaf]) throw new Error(`${where}.leaf: there is no turn ${JSON.stringify(leaf)}`);
  return {
    id: freshId(),
    title: text(x, "title", where),
    created: number(x, "created", where),
    updated: number(x, "updated", where),
    model: text(x, "model", where),
    params: params(x.params, `${where}.params`),
    turns: { ...turns },
    leaf,
  };
}
