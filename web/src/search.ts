// Finding conversations: every word of the query must occur somewhere in the title or the turns.
import type { Conversation } from "./tree";

export interface Found {
  id: string;
  snippet: string; // around the first word that was found in a turn; "" where only the title has it
}

const fold = (text: string) => text.normalize("NFKC").toLowerCase();

export function matches(c: Conversation, query: string): Found | undefined {
  const words = fold(query).split(/\s+/).filter(Boolean);
  if (words.length === 0) return { id: c.id, snippet: "" };
  const missing = new Set(words);
  const mark = (text: string) => {
    for (const word of missing) if (text.includes(word)) missing.delete(word);
  };
  mark(fold(c.title));
  let snippet = "";
  for (const turn of Object.values(c.turns)) {
    for (const text of [turn.text, turn.thought ?? ""]) {
      const folded = fold(text);
      const at = words.map((w) => folded.indexOf(w)).filter((i) => i >= 0);
      if (at.length > 0 && !snippet) snippet = around(text, Math.min(...at));
      mark(folded);
    }
  }
  return missing.size === 0 ? { id: c.id, snippet } : undefined;
}

function around(text: string, at: number): string {
  const from = Math.max(0, at - 30);
  const piece = text.slice(from, at + 70).replace(/\s+/g, " ").trim();
  return (from > 0 ? "…" : "") + piece + (at + 70 < text.length ? "…" : "");
}
