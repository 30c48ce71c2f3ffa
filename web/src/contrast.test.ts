// The colours of text on every ground it stands on: WCAG 2.2, 1.4.3 (AA).
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const css = readFileSync(new URL("style/base.css", import.meta.url), "utf8");
const prose = readFileSync(new URL("style/prose.css", import.meta.url), "utf8");

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const c = parseInt(hex.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high! + 0.05) / (low! + 0.05);
}

for (const [theme, column] of [["light", 0], ["dark", 1]] as const) {
  const colour = (name: string) => {
    const match = new RegExp(`--${name}: light-dark\\((#\\w{6}), (#\\w{6})\\)`).exec(css);
    return match![column + 1]!;
  };
  test(`text can be read in the ${theme} theme`, () => {
    for (const ground of ["paper", "surface", "sunk", "hover"])
      for (const ink of ["ink", "ink-2", "ink-3", "accent", "thought", "bad"])
        expect(contrast(colour(ink), colour(ground)), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    expect(contrast(colour("accent-ink"), colour("accent"))).toBeGreaterThanOrEqual(4.5);
    for (const ink of ["ink", "accent"]) expect(contrast(colour(ink), colour("accent-soft"))).toBeGreaterThanOrEqual(4.5);
  });
  test(`code can be read in the ${theme} theme`, () => {
    const inks = [...prose.matchAll(/light-dark\((#\w{6}), (#\w{6})\)/g)].map((m) => m[column + 1]!);
    expect(inks.length).toBeGreaterThan(4);
    for (const ink of inks) expect(contrast(ink, colour("sunk")), ink).toBeGreaterThanOrEqual(4.5);
  });
}
