// What this browser remembers of the page besides conversations.
import { noParams, type Params } from "./tree";

export type Theme = "system" | "light" | "dark";

function read(name: string): string {
  try {
    return sessionStorage.getItem(`r1.${name}`) ?? localStorage.getItem(`r1.${name}`) ?? "";
  } catch {
    return ""; // storage may be forbidden
  }
}

// lasting: beyond this tab.
export function remember(name: string, value: string, lasting = true): void {
  try {
    localStorage.removeItem(`r1.${name}`);
    sessionStorage.removeItem(`r1.${name}`);
    if (value) (lasting ? localStorage : sessionStorage).setItem(`r1.${name}`, value);
  } catch {
    // then it is not remembered
  }
}

const oneOf = <T extends string>(choices: readonly T[], value: string, otherwise: T): T =>
  choices.find((c) => c === value) ?? otherwise;

export const recall = {
  theme: () => oneOf(["system", "light", "dark"] as const, read("theme"), "system"),
  panel: () => oneOf(["", "parameters", "engine"] as const, innerWidth > 1100 ? read("panel") : "", ""),
  model: () => read("model"),
  key: () => read("key"),
  // A seed is of one conversation.
  params(): Params {
    try {
      return { ...noParams(), ...(JSON.parse(read("params") || "{}") as Params), seed: undefined };
    } catch {
      return noParams();
    }
  },
};
