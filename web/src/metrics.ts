// The server's /metrics (Prometheus' text format), and what two readings tell of the time between them.

export type Reading = { time: number; values: Map<string, number> };

// Sums over labels, but the fullest of shares: for the page one server is one engine.
const share = "vllm:kv_cache_usage_perc";

export function parseMetrics(text: string, time: number): Reading {
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^([A-Za-z_:][\w:]*)(?:\{.*\})?\s+(\S+)/.exec(line);
    if (!match || line.startsWith("#")) continue;
    const value = Number(match[2]);
    const before = values.get(match[1]!) ?? 0;
    if (Number.isFinite(value)) values.set(match[1]!, match[1] === share ? Math.max(before, value) : before + value);
  }
  return { time, values };
}

export interface EngineView {
  running: number;
  waiting: number;
  kv: number; // share in use, 0 to 1
  tokensPerSecond: number;
  stepsPerSecond: number;
  hitShare: number; // of the tokens of prompts, found in the cache since the server began
  generated: number; // tokens since the server began
}

export function engineView(now: Reading, before?: Reading): EngineView {
  const at = (name: string) => now.values.get(name) ?? 0;
  // A counter that fell began anew.
  const rate = (name: string) => {
    const was = before?.values.get(name);
    const seconds = before ? (now.time - before.time) / 1000 : 0;
    return was === undefined || seconds <= 0 ? 0 : Math.max(at(name) - was, 0) / seconds;
  };
  const queries = at("vllm:prefix_cache_queries");
  return {
    running: at("vllm:num_requests_running"),
    waiting: at("vllm:num_requests_waiting"),
    kv: at(share),
    tokensPerSecond: rate("vllm:generation_tokens_total"),
    stepsPerSecond: rate("llamacpp:n_decode_total"),
    hitShare: queries > 0 ? at("vllm:prefix_cache_hits") / queries : 0,
    generated: at("vllm:generation_tokens_total"),
  };
}
