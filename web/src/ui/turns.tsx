// The two kinds of turn, with what can be done with each.
import { useEffect, useRef, useState } from "preact/hooks";
import { dollars, moment, rate, seconds, tokens, count } from "../format";
import {
  again, beside, branch, changed, conversation, drop, edit, editing, goOn, isLive, setParams, tick,
} from "../state";
import { siblings, type Turn } from "../tree";
import { CopyButton, IconButton } from "./controls";
import { Markdown } from "./markdown";
import { Thinking } from "./thinking";

function Siblings({ turn }: { turn: Turn }) {
  const all = siblings(conversation.value, turn);
  if (all.length < 2) return null;
  const at = all.findIndex((t) => t.id === turn.id);
  return (
    <span class="siblings" role="group" aria-label="Versions">
      <IconButton icon="left" label="Version before" disabled={at === 0} onClick={() => beside(turn, -1)} />
      <span>
        {at + 1}/{all.length}
      </span>
      <IconButton icon="right" label="Next version" disabled={at + 1 === all.length} onClick={() => beside(turn, 1)} />
    </span>
  );
}

export function UserTurn({ turn }: { turn: Turn }) {
  changed.value;
  if (editing.value === turn.id) return <Editor turn={turn} />;
  return (
    <article class="turn user" aria-label="You">
      <div class="bubble">{turn.text}</div>
      <div class="tools">
        <Siblings turn={turn} />
        <CopyButton text={() => turn.text} />
        <IconButton icon="edit" label="Edit" onClick={() => (editing.value = turn.id)} />
        <IconButton icon="trash" label="Delete from here" onClick={() => drop(turn)} />
      </div>
    </article>
  );
}

function Editor({ turn }: { turn: Turn }) {
  const [text, setText] = useState(turn.text);
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    box.current!.focus();
    box.current!.setSelectionRange(text.length, text.length);
  }, []);
  const key = (e: KeyboardEvent) => {
    if (e.key === "Escape") {
      e.stopPropagation();
      editing.value = "";
    } else if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
      e.preventDefault();
      edit(turn, text);
    }
  };
  return (
    <article class="turn user editing" aria-label="You, being edited">
      <textarea
        ref={box}
        aria-label="Edit your message"
        value={text}
        rows={Math.min(12, text.split("\n").length + 1)}
        onInput={(e) => setText(e.currentTarget.value)}
        onKeyDown={key}
      />
      <div class="row end">
        <button type="button" class="plain" onClick={() => (editing.value = "")}>
          Cancel
        </button>
        <button type="button" class="primary" onClick={() => edit(turn, text)}>
          Send
        </button>
      </div>
    </article>
  );
}

export function AssistantTurn({ turn, last }: { turn: Turn; last: boolean }) {
  changed.value;
  const live = isLive(turn);
  if (live) tick.value;
  const cut = !live && (turn.finish === undefined || turn.finish !== "stop");
  return (
    <article class="turn assistant" aria-label={`Answer of ${turn.model ?? "the model"}`} aria-busy={live}>
      {turn.thought && <Thinking turn={turn} live={live} />}
      {live && !turn.thought && !turn.text && <Waiting turn={turn} />}
      {turn.text && <Markdown text={turn.text} />}
      {cut && <Ending turn={turn} />}
      {!live && (
        <div class={`tools${last ? " shown" : ""}`}>
          <Siblings turn={turn} />
          <CopyButton text={() => turn.text} label="Copy answer" />
          <IconButton icon="again" label="Answer again" onClick={() => again(turn)} />
          <IconButton icon="branch" label="Branch into a new conversation" onClick={() => branch(turn)} />
          <Facts turn={turn} />
        </div>
      )}
    </article>
  );
}

function Waiting({ turn }: { turn: Turn }) {
  const time = turn.seconds ?? 0;
  return (
    <p class="waiting">
      <span class="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {time > 1 ? `Reading · ${seconds(time)}` : "Reading"}
    </p>
  );
}

const endings = {
  length: "Cut off at the limit of tokens.",
  cancelled: "Stopped.",
  error: "",
  stop: "",
};

function Ending({ turn }: { turn: Turn }) {
  const text = turn.finish === "error" ? turn.error : turn.finish ? endings[turn.finish] : "Interrupted.";
  const begun = Boolean(turn.text || turn.thought);
  return (
    <p class={`ending${turn.finish === "error" ? " bad" : ""}`} role={turn.finish === "error" ? "alert" : undefined}>
      {text}
      <button type="button" class="link" onClick={() => (begun ? goOn(turn) : again(turn))}>
        {begun ? "Continue" : "Try again"}
      </button>
    </p>
  );
}

// One line of figures; a click shows them all.
function Facts({ turn }: { turn: Turn }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (open) box.current!.scrollIntoView({ block: "nearest" });
  }, [open]);
  const usage = turn.usage;
  if (!usage || usage.prompt + usage.thought + usage.answer === 0) return null; // it never began
  const made = usage.thought + usage.answer;
  const cost = usage.cost;
  return (
    <div class="facts" ref={box}>
      <button type="button" aria-expanded={open} title="Figures of this answer" onClick={() => setOpen(!open)}>
        <span>{tokens(made)}</span>
        {turn.rate !== undefined && <span>{rate(turn.rate)}/s</span>}
        {cost !== undefined && <span>{dollars(cost)}</span>}
      </button>
      {open && (
        <dl>
          <dt>Model</dt>
          <dd>{turn.model}</dd>
          <dt>Prompt</dt>
          <dd>
            {tokens(usage.prompt)}
            {usage.cached > 0 && `, ${count(usage.cached)} cached`}
          </dd>
          <dt>Thought</dt>
          <dd>{tokens(usage.thought)}</dd>
          <dt>Answer</dt>
          <dd>{tokens(usage.answer)}</dd>
          {turn.firstSeconds !== undefined && (
            <>
              <dt>First token</dt>
              <dd>{seconds(turn.firstSeconds)}</dd>
            </>
          )}
          <dt>Whole</dt>
          <dd>{seconds(turn.seconds ?? 0)}</dd>
          {cost !== undefined && (
            <>
              <dt>Cost</dt>
              <dd>{dollars(cost)}</dd>
            </>
          )}
          {turn.seed !== undefined && (
            <>
              <dt>Seed</dt>
              <dd>
                {turn.seed}{" "}
                <button type="button" class="link" onClick={() => setParams({ seed: turn.seed })}>
                  use again
                </button>
              </dd>
            </>
          )}
          <dt>When</dt>
          <dd>{moment(turn.time)}</dd>
        </dl>
      )}
    </div>
  );
}
