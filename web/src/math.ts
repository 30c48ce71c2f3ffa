// Mathematics within text, in TeX's delimiters: $…$ $$…$$ \(…\) \[…\].

export interface Maths {
  raw: string;
  tex: string;
  display: boolean;
}

const delimiters = [
  { open: "$$", close: "$$", display: true },
  { open: "\\[", close: "\\]", display: true },
  { open: "\\(", close: "\\)", display: false },
  { open: "$", close: "$", display: false },
] as const;

// What begins at the very start of `text`; undefined where that is no mathematics, or not closed yet.
export function mathAt(text: string): Maths | undefined {
  const d = delimiters.find(({ open }) => text.startsWith(open));
  if (!d) return undefined;
  const end = closing(text, d.open.length, d.close);
  if (end < 0) return undefined;
  const inner = text.slice(d.open.length, end);
  const raw = text.slice(0, end + d.close.length);
  if (!inner.trim()) return undefined;
  if (d.open === "$") {
    // Dollars are money too: pandoc's rule tells them apart.
    if (/^\s|\s$/.test(inner) || /^\d/.test(text.slice(raw.length))) return undefined;
  }
  if (!d.display && /\n\s*\n/.test(inner)) return undefined;
  return { raw, tex: inner.trim(), display: d.display };
}

// Where `close` stands outside of braces; commands and escaped characters are passed over.
function closing(text: string, from: number, close: string): number {
  let depth = 0;
  for (let i = from; i < text.length; ++i) {
    if (depth <= 0 && text.startsWith(close, i)) return i;
    if (text[i] === "\\") ++i;
    else if (text[i] === "{") ++depth;
    else if (text[i] === "}") --depth;
  }
  return -1;
}

// Where mathematics may begin next, for the reader of Markdown; -1: nowhere.
export function mathStart(text: string): number {
  return text.search(/\$|\\[([]/);
}

// Display mathematics on lines of its own: at the start of a block.
export function mathBlockAt(text: string): Maths | undefined {
  const indent = /^ {0,3}(?=\$\$|\\\[)/.exec(text);
  if (!indent) return undefined;
  const math = mathAt(text.slice(indent[0].length));
  if (!math?.display) return undefined;
  const end = indent[0].length + math.raw.length;
  const rest = /^[ \t]*(?:\n+|$)/.exec(text.slice(end));
  return rest ? { ...math, raw: text.slice(0, end) + rest[0] } : undefined;
}

export function mathBlockStart(text: string): number {
  const at = /(?:^|\n) {0,3}(?:\$\$|\\\[)/.exec(text);
  return at ? at.index + (at[0].startsWith("\n") ? 1 : 0) : -1;
}
