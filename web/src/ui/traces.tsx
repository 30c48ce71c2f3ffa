// The traces the server keeps, where it keeps them.
import { useEffect, useState } from "preact/hooks";
import { trace, traces } from "../api";
import { count, moment, share, tokens } from "../format";
import { drawer } from "../state";
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

export function Traces() {
  const [list, setList] = useState<TraceHead[]>();
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
          (t) => current && (setList(t), setProblem("")),
          (e: Error) => current && setProblem(e.message),
        ),
      query ? 150 : 0,
    );
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [query]);
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
                <span class="title">{t.erased ? "Erased" : t.prompt || "Tokens without text"}</span>
                {t.snippet && (
                  <span class="snippet">{snippet(t.snippet).map((s, i) => (i % 2 ? <mark key={i}>{s}</mark> : s))}</span>
                )}
                {!t.erased && <span class="snippet">{about(t)}</span>}
              </a>
            </li>
          ))}
        </ul>
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
    trace(id).then(setT, (e: Error) => setProblem(e.message));
  }, [id]);
  if (problem) return <p class="wrong">{problem}</p>;
  if (!t) return <p class="none">Reading…</p>;
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
      {thought && <Thought text={thought} structure={structure} />}
      <h2>Answer</h2>
      {answer ? <Markdown text={answer} /> : <p class="none">None.</p>}
      <h2>Facts</h2>
      <dl class="table-of">
        {Object.entries(facts).map(([name, value]) => (
          <div key={name}>
            <dt>{words(name)}</dt>
            <dd>{shown(value)}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

const kinds = { check: "checks", backtrack: "turns back", attempt: "attempts", first: "the answer, first" } as const;

// What was thought, with a strip of where it checked, turned back, tried anew, and first said its answer.
function Thought({ text, structure }: { text: string; structure?: Structure }) {
  const { first, marks = [] } = structure ?? {};
  const all: Mark[] = first ? [...marks, { ...first, kind: "first" }] : marks;
  const counts = structure && { check: structure.checks, backtrack: structure.backtracks, attempt: structure.attempts };
  return (
    <section aria-label="Thought">
      <h2>Thought</h2>
      {structure && counts && (
        <>
          <svg class="strip" viewBox="0 0 1000 24" preserveAspectRatio="none" aria-hidden="true">
            {all.map((m, i) => (
              <rect key={i} class={m.kind} x={(1000 * m.begin) / text.length} width="3" height="24" />
            ))}
          </svg>
          <p class="legend">
            {(["check", "backtrack", "attempt"] as const).map((kind) => (
              <span key={kind} class={kind}>
                {kinds[kind]} {count(counts[kind])}
              </span>
            ))}
            {first && (
              <span class="first">
                {structure.answer} first said after {share(first.share)}, {count(structure.said)} × in all
              </span>
            )}
          </p>
        </>
      )}
      <div class="thought marked">
        {annotate(text, all).map((part, i) =>
          part.kind ? (
            <mark key={i} class={part.kind} title={kinds[part.kind as keyof typeof kinds]}>
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

// Values as a line; long lists of token ids by their number.
function shown(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) return value.length > 12 ? `${count(value.length)} values` : value.map(shown).join(", ") || "none";
  if (typeof value !== "object") return String(value);
  return Object.entries(value)
    .map(([name, v]) => `${words(name)} ${shown(v)}`)
    .join(" · ");
}
