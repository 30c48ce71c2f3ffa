// The server, as this page uses it: OpenAI's chat completions with DeepSeek's reasoning_content, the list of models,
// metrics, traces.
import { events } from "./sse";
import type { Trace, TraceHead } from "./trace";
import type { Params, Turn, Usage } from "./tree";

export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: no answer came
    message: string,
    readonly retryAfter = 0, // seconds
    readonly code = "",
  ) {
    super(message);
  }
}

export const isApiError = (e: unknown): e is ApiError => e instanceof ApiError;

let key = "";
export const setKey = (secret: string) => void (key = secret);
export const hasKey = () => key !== "";

async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers: Record<string, string> = key ? { Authorization: `Bearer ${key}` } : {};
  if (init.body) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, credentials: "omit", cache: "no-store" });
  } catch (e) {
    if (init.signal?.aborted) throw e;
    throw new ApiError(0, "The server cannot be reached.");
  }
  if (response.ok) return response;
  const { message, code } = await reason(response);
  throw new ApiError(response.status, message, Number(response.headers.get("Retry-After")) || 0, code);
}

async function reason(response: Response): Promise<{ message: string; code: string }> {
  try {
    const { error } = await response.json();
    const message = typeof error === "string" ? error : error?.message;
    if (typeof message === "string") return { message, code: typeof error.code === "string" ? error.code : "" };
  } catch {
    // no JSON: the status says it
  }
  return { message: `The server answered ${response.status} ${response.statusText}.`, code: "" };
}

export async function models(): Promise<string[]> {
  const { data } = await (await call("/v1/models")).json();
  return data.map((m: { id: string }) => m.id);
}

export const metrics = async () => (await call("/metrics")).text();

// The newest first; `next` is where older ones begin.
export async function traces(search: string, before?: number | null): Promise<{ traces: TraceHead[]; next: number | null }> {
  const query = new URLSearchParams();
  if (search) query.set("search", search);
  if (before) query.set("before", String(before));
  return (await call(`/traces${query.size > 0 ? `?${query}` : ""}`)).json();
}

export async function trace(id: string): Promise<Trace> {
  return (await call(`/traces/${encodeURIComponent(id)}`)).json();
}

// Every chunk tells of the tokens so far: one chunk may bring several, or none.
const usageAllAlong = { include_usage: true, continuous_usage_stats: true };

// The body of a request: the turns up to the user's last, or up to an answer that is to go on.
export function request(model: string, params: Params, turns: Turn[], seed: number): Record<string, unknown> {
  const messages: Record<string, unknown>[] = turns.map((t) => ({ role: t.role, content: t.text }));
  const last = turns.at(-1);
  if (last?.role === "assistant") {
    Object.assign(messages.at(-1)!, { prefix: true });
    if (last.thought) Object.assign(messages.at(-1)!, { reasoning_content: last.thought });
  }
  if (params.system.trim()) messages.unshift({ role: "system", content: params.system });
  const body: Record<string, unknown> = { model, messages, seed, stream: true, stream_options: usageAllAlong };
  for (const name of ["temperature", "top_p", "max_tokens"] as const)
    if (params[name] !== undefined) body[name] = params[name];
  if (params.effort === "off") body.reasoning_effort = "none";
  else if (params.effort === "budget") body.thinking_budget = params.budget ?? 0;
  else if (params.effort !== "auto") body.reasoning_effort = params.effort;
  return body;
}

export interface Delta {
  thought: string;
  answer: string;
  finish?: "stop" | "length";
  usage?: Usage; // so far
  rate?: number; // tokens per second by the engine's clock, at the end
}

// What one event of the stream says; throws what it reports as an error.
export function readChunk(data: string): Delta | undefined {
  if (data === "[DONE]") return undefined;
  const chunk = JSON.parse(data);
  if (chunk.error) throw new ApiError(500, chunk.error.message ?? "The model failed to answer.");
  const choice = chunk.choices?.[0];
  const delta: Delta = { thought: choice?.delta?.reasoning_content ?? "", answer: choice?.delta?.content ?? "" };
  if (choice?.finish_reason) delta.finish = choice.finish_reason === "length" ? "length" : "stop";
  if (chunk.usage) {
    const u = chunk.usage;
    const thought = u.completion_tokens_details?.reasoning_tokens ?? 0;
    delta.usage = {
      prompt: u.prompt_tokens,
      cached: u.prompt_tokens_details?.cached_tokens ?? 0,
      thought,
      answer: u.completion_tokens - thought,
    };
    const cost = u.cost;
    if (typeof cost === "number") delta.usage.cost = cost;
  }
  const rate = chunk.timings?.predicted_per_second;
  if (typeof rate === "number" && rate > 0) delta.rate = rate;
  return delta;
}

export async function* ask(body: Record<string, unknown>, signal: AbortSignal): AsyncGenerator<Delta> {
  const response = await call("/v1/chat/completions", { method: "POST", body: JSON.stringify(body), signal });
  let ended = false;
  try {
    for await (const data of events(response.body!)) {
      const delta = readChunk(data);
      if (!delta) {
        ended = true;
        break;
      }
      yield delta;
    }
  } catch (e) {
    if (e instanceof ApiError || signal.aborted) throw e;
  }
  if (!ended && !signal.aborted) throw new ApiError(0, "The connection ended before the answer did.");
}
