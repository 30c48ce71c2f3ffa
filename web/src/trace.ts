// Traces as the server tells them (docs/trace.md), and what is shown of them.

export interface TraceHead {
  id: number | string;
  erased?: boolean;
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
  thought?: string;
  answer?: string;
  prompt?: string;
  messages?: { role: string; content: string }[];
  structure?: Structure;
};

export interface Part {
  text: string;
  kind?: string;
}

// A thought cut at its marks; of marks that overlap the first counts.
export function annotate(thought: string, marks: Mark[]): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const { begin, end, kind } of [...marks].sort((a, b) => a.begin - b.begin)) {
    if (begin < at || end > thought.length || end <= begin) continue;
    if (begin > at) parts.push({ text: thought.slice(at, begin) });
    parts.push({ text: thought.slice(begin, end), kind });
    at = end;
  }
  if (at < thought.length) parts.push({ text: thought.slice(at) });
  return parts;
}

const entities: Record<string, string> = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };

// The texts of a snippet: every second one is what was found.
export const snippet = (html: string) =>
  html.split(/<\/?b>/).map((text) => text.replace(/&(?:lt|gt|amp);/g, (e) => entities[e]!));
