// Traces as the server tells them (docs/trace.md), and what is shown of them.

export interface TraceHead {
  id: number;
  time?: string;
  model?: string;
  prompt?: string;
  thought_tokens?: number;
  answer_tokens?: number;
  finish?: string;
  snippet?: string; // HTML: what was found stands in <b>
}

export interface Mark {
  begin: number; // units of UTF-16 in the thought
  end: number;
  kind: string;
}

export interface Structure {
  paragraphs: number;
  checks: number;
  backtracks: number;
  attempts: number;
  marks: Mark[];
  answer: string | null; // what the answer comes to
  said: number; // how often that stands in the thought
  first: { begin: number; end: number; share: number } | null; // where it does so first
}

export type Trace = Record<string, unknown> & {
  erased?: boolean;
  thought?: string;
  answer?: string;
  tokens?: { thought: number };
  prompt?: string;
  messages?: { role: string; content: string }[];
  structure?: Structure;
};

export interface Part {
  text: string;
  kinds: string[]; // of all marks that lie over it
}

// A thought cut where a mark begins or ends.
export function annotate(thought: string, marks: Mark[]): Part[] {
  const right = marks.filter((m) => 0 <= m.begin && m.begin < m.end && m.end <= thought.length);
  const cuts = [...new Set([0, thought.length, ...right.flatMap((m) => [m.begin, m.end])])].sort((a, b) => a - b);
  const parts: Part[] = [];
  // Marks in order of their beginnings: those that lie over a part are among the last that began.
  const open: Mark[] = [];
  const coming = [...right].sort((a, b) => b.begin - a.begin);
  for (let i = 0; i + 1 < cuts.length; ++i) {
    const [begin, end] = [cuts[i]!, cuts[i + 1]!];
    while (coming.at(-1) && coming.at(-1)!.begin <= begin) open.push(coming.pop()!);
    for (let m = open.length; m-- > 0; ) if (open[m]!.end <= begin) open.splice(m, 1);
    parts.push({ text: thought.slice(begin, end), kinds: [...new Set(open.map((m) => m.kind))] });
  }
  return parts;
}

const entities: Record<string, string> = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };

// The texts of a snippet: every second one is what was found.
export const snippet = (html: string) =>
  html.split(/<\/?b>/).map((text) => text.replace(/&(?:lt|gt|amp);/g, (e) => entities[e]!));
