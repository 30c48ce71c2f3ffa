// The traces the server keeps, where it keeps them.
import { useEffect, useState } from "preact/hooks";
import { trace, traces, type Trace, type TraceHead } from "../api";
import { count, moment, tokens } from "../format";
import { drawer } from "../state";
import { IconButton } from "./controls";
import { Icon } from "./icons";
import { Markdown } from "./markdown";

const chosen = () => decodeURIComponent(/^#traces\/(.+)$/.exec(location.hash)?.[1] ?? "");
const when = (time: string | number) => moment(typeof time === "number" ? time * 1000 : Date.parse(time));

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
              <a href={`#traces/${encodeURIComponent(t.id)}`} aria-current={String(t.id) === id ? "page" : undefined}>
                <span class="title">{t.prompt}</span>
                <span class="snippet">
                  {when(t.time)} · {t.model} · {count(t.thought_tokens)} + {tokens(t.answer_tokens)}
                  {t.finish !== "stop" && ` · ${t.finish}`}
                </span>
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
  const { prompt, thought, answer, structure, ...facts } = t;
  return (
    <div class="column">
      <a class="plain back" href="#traces">
        <Icon name="left" /> All traces
      </a>
      <h2>Prompt</h2>
      <pre class="prompt">{typeof prompt === "string" ? prompt : JSON.stringify(prompt, null, 1)}</pre>
      {structure !== undefined && structure !== null && <Structure of={structure as Record<string, unknown>} />}
      {typeof thought === "string" && thought !== "" && (
        <>
          <h2>Thought</h2>
          <div class="thought">
            <Markdown text={thought} manner="thought" />
          </div>
        </>
      )}
      <h2>Answer</h2>
      <Markdown text={typeof answer === "string" ? answer : ""} />
      <h2>Facts</h2>
      <Table of={facts} />
    </div>
  );
}

function Structure({ of }: { of: Record<string, unknown> }) {
  return (
    <>
      <h2>How it thought</h2>
      <Table of={of} />
    </>
  );
}

function Table({ of }: { of: Record<string, unknown> }) {
  return (
    <dl class="table-of">
      {Object.entries(of).map(([name, value]) => (
        <div key={name}>
          <dt>{name.replace(/_/g, " ")}</dt>
          <dd>{typeof value === "object" && value !== null ? JSON.stringify(value) : String(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
