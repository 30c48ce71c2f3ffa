// What answers cost: as the server says with an answer, or by its table of prices where it has one.
import { signal } from "@preact/signals";
import type { Usage } from "./tree";

// Dollars per million tokens.
export interface Prices {
  hit: number;
  miss: number;
  output: number;
}

export const prices = signal<Prices | undefined>(undefined);

export function costBy(p: Prices, u: Usage): number {
  return (u.cached * p.hit + (u.prompt - u.cached) * p.miss + (u.thought + u.answer) * p.output) / 1e6;
}

export function costOf(u: Usage): number | undefined {
  return u.cost ?? (prices.value && costBy(prices.value, u));
}
