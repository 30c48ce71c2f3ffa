// The traces the server keeps, where it keeps them.
import { useEffect, useState } from "preact/hooks";
import { isApiError, trace, traces } from "../api";
import { count, moment, seconds, share, tokens } from "../format";
import { drawer, models } from "../state";
import { annotate, snippet, type Mark, type Structure, type Trace, type TraceHead } from "../trace";
import { IconButton } from "./controls";
import { Icon } from "./icons";
import { Markdown } from "./markdown";

const chosen = () => decodeURIComponent(/^#traces\/(.+)$/.exec(location.hash)?.[1] ?? "");
const about = (t: TraceHead) =>
  [
    t.time && moment(Date.parse(t.time)),
    t.model,
    `${count(t.thought_tokens ?? 0)} + ${tokens(t.answer_tokens ?? 0)}`,
    t.finish !== "stop" && t.finish,
  ]
    .filter(Boolean)
    .join(" · ");

const reason = (e: Error) =>
  !isApiError(e) ? e.message
  : e.status === 404 ? "This server keeps no traces: it does with --traces."
  : e.status === 403 ? "This key may not read traces: its scope must have them."
  : e.message;

export function Traces() {
  const [list, setList] = useState<TraceHead[]>();
  const [next, setNext] = useState<number | null>(null); // where older ones begin
  const [query, setQuery] = useState("");
  const [problem, setProblem] = useState("");
  const [id, setId] = useState(chosen());
  useEffect(() => {
    const follow = () => setId(chosen());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  useEffect(() => {
    let current = true;
    const timer = setTimeout(
      () =>
        traces(query).then(
          (page) => current && (setList(page.traces), setNext(page.next), setProblem("")),
          (e: Error) => current && setProblem(reason(e)),
        ),
      query ? 150 : 0,
    );
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [query, models.value]); // a key that was given opens them
  const older = () =>
    traces(query, next).then(
      (page) => (setList((all) => [...(all ?? []), ...page.traces]), setNext(page.next)),
      (e: Error) => setProblem(reason(e)),
    );
  return (
    <div class={`traces${id ? " one" : ""}`}>
      <header class="bar">
        <IconButton icon="menu" label="Conversations" class="narrow" onClick={() => (drawer.value = true)} />
        <h1>Traces</h1>
        <span class="spread" />
        <a class="plain" href="#">
          Back to chat
        </a>
      </header>
      <section class="trace-list" aria-label="Traces">
        <div class="search">
          <Icon name="search" />
          <input
            type="search"
            aria-label="Search traces"
            placeholder="Search prompts, thoughts, answers"
            value={query}
            onInput={(e) => setQuery(e.currentTarget.value)}
          />
        </div>
        {problem && <p class="wrong">{problem}</p>}
        {list?.length === 0 && <p class="none">{query ? "No trace has these words." : "There is no trace yet."}</p>}
        <ul>
          {list?.map((t) => (
            <li key={t.id} class={String(t.id) === id ? "here" : ""}>
              <a href={`#traces/${t.id}`} aria-current={String(t.id) === id ? "page" : undefined}>
                <span class="title">{t.prompt || "Tokens without text"}</span>
                {t.snippet && (
                  <span class="snippet">{snippet(t.snippet).map((s, i) => (i % 2 ? <mark key={i}>{s}</mark> : s))}</span>
                )}
                <span class="snippet">{about(t)}</span>
              </a>
            </li>
          ))}
        </ul>
        {next !== null && (
          <button type="button" class="plain older" onClick={() => void older()}>
            Older ones
          </button>
        )}
      </section>
      <section class="trace" aria-label="One trace">
        {id ? <One key={id} id={id} /> : <p class="none">Choose a trace.</p>}
      </section>
    </div>
  );
}

function One({ id }: { id: string }) {
  const [t, setT] = useState<Trace>();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    trace(id).then(
      (t) => (setT(t), setProblem("")),
      (e: Error) => setProblem(isApiError(e) && e.status === 404 ? "There is no such trace." : reason(e)),
    );
  }, [id, models.value]);
  if (problem) return <p class="wrong">{problem}</p>;
  if (!t) return <p class="none">Reading…</p>;
  if (t.erased) return <p class="none">This trace was erased.</p>;
  const { prompt, messages, thought, answer, structure, ...facts } = t;
  const asked = messages ?? (prompt ? [{ role: "prompt", content: prompt }] : []);
  return (
    <div class="column">
      <a class="plain back" href="#traces">
        <Icon name="left" /> All traces
      </a>
      {asked.map(({ role, content }, i) => (
        <section key={i} aria-label={role}>
          <h2>{role.replace(/^./, (c) => c.toUpperCase())}</h2>
          <pre class="prompt">{content}</pre>
        </section>
      ))}
      {thought && <Thought text={thought} structure={structure} length={t.tokens?.thought} />}
      <h2>Answer</h2>
      {answer ? <Markdown text={answer} /> : <p class="none">None.</p>}
      <h2>Facts</h2>
      <dl class="table-of">
        {Object.entries(facts)
          .filter(([, value]) => !silent(value))
          .map(([name, value]) => (
            <div key={name}>
              <dt>{words(name)}</dt>
              <dd>{shown(value, name)}</dd>
            </div>
          ))}
      </dl>
    </div>
  );
}

const kinds = { check: "checks", backtrack: "turns back", attempt: "attempts", first: "the answer, first" } as const;
const lanes = ["check", "backtrack", "attempt"] as const;
const lane = 24 / lanes.length; // of the strip's height

// What was thought, with a strip of where it checked, turned back, tried anew, and first said its answer.
function Thought({ text, structure, length }: { text: string; structure?: Structure; length?: number }) {
  const { first, marks = [] } = structure ?? {};
  const all: Mark[] = first ? [...marks, { ...first, kind: "first" }] : marks;
  const counts = structure && { check: structure.checks, backtrack: structure.backtracks, attempt: structure.attempts };
  return (
    <section aria-label="Thought">
      <h2>Thought</h2>
      {structure && counts && (
        <>
          <svg class="strip" viewBox="0 0 1000 24" preserveAspectRatio="none" aria-hidden="true">
            {all.map((m, i) => {
              const at = lanes.findIndex((kind) => kind === m.kind);
              const whole = at < 0;
              return (
                <rect
                  key={i}
                  class={m.kind}
                  x={(1000 * m.begin) / text.length}
                  width={Math.max(2, (1000 * (m.end - m.begin)) / text.length)}
                  y={whole ? 0 : at * lane}
                  height={whole ? 24 : lane - 1}
                />
              );
            })}
          </svg>
          <p class="legend">
            <span class="length">
              {length !== undefined && `${tokens(length)}, `}
              {count(text.length)} characters, {count(structure.paragraphs)} paragraph{structure.paragraphs === 1 ? "" : "s"}
            </span>
            {lanes.map((kind) => (
              <span key={kind} class={kind}>
                {kinds[kind]} {count(counts[kind])}
              </span>
            ))}
            {structure.answer !== null && (
              <span class="first">
                {first
                  ? `the answer ${structure.answer} first said after ${share(first.share)}, ${count(structure.said)} × in all`
                  : `the answer ${structure.answer} stands nowhere in it`}
              </span>
            )}
          </p>
        </>
      )}
      <div class="thought marked">
        {annotate(text, all).map((part, i) =>
          part.kinds.length > 0 ? (
            <mark key={i} class={part.kinds.join(" ")} title={part.kinds.map((k) => kinds[k as keyof typeof kinds]).join(", ")}>
              {part.text}
            </mark>
          ) : (
            part.text
          ),
        )}
      </div>
    </section>
  );
}

const words = (name: string) => name.replace(/_/g, " ");
// What says nothing: no user, no limit (-1), no list.
const silent = (value: unknown) =>
  value === null || value === undefined || value === "" || value === -1 || value === "-" || (Array.isArray(value) && value.length === 0);

// Values as a line; long lists of token ids by their number.
function shown(value: unknown, name = ""): string {
  if (Array.isArray(value)) return value.length > 12 ? `${count(value.length)} values` : value.map((v) => shown(v)).join(", ");
  if (typeof value !== "object" || value === null)
    return name === "seconds" ? seconds(Number(value)) : name === "time" ? moment(Date.parse(String(value))) : String(value);
  return Object.entries(value)
    .filter(([, v]) => !silent(v))
    .map(([inner, v]) => `${words(inner)} ${shown(v, name)}`)
    .join(" · ");
}
