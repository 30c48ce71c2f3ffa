// Where the user writes.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { count, dollars, rate } from "../format";
import { changed, conversation, editing, liveLeaf, models, send, setParams, stop, tick } from "../state";
import { path } from "../tree";
import { Select } from "./controls";
import { Icon } from "./icons";

export const efforts = [
  ["auto", "Auto"],
  ["off", "Off"],
  ["low", "Low"],
  ["medium", "Medium"],
  ["high", "High"],
  ["budget", "Budget"],
] as const;

export function Composer() {
  changed.value;
  const c = conversation.value;
  const [text, setText] = useState("");
  const box = useRef<HTMLTextAreaElement>(null);
  const busy = liveLeaf.value !== undefined;
  const ready = text.trim() !== "" && models.value.length > 0;

  useEffect(() => {
    if (!matchMedia("(pointer: coarse)").matches) box.current!.focus();
  }, [c.id]);
  useLayoutEffect(() => {
    const area = box.current!;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, innerHeight * 0.4)}px`;
  }, [text]);

  const submit = () => {
    if (busy || !ready) return;
    send(text);
    setText("");
  };
  const key = (e: KeyboardEvent) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
      e.preventDefault();
      submit();
    } else if (e.key === "ArrowUp" && text === "") {
      const mine = path(c).filter((t) => t.role === "user").at(-1);
      if (!mine) return;
      e.preventDefault();
      editing.value = mine.id;
    }
  };
  return (
    <form
      class="composer"
      aria-label="Your message"
      onSubmit={(e) => {
        e.preventDefault();
        submit();
      }}
    >
      <div class="box">
        <textarea
          ref={box}
          id="message"
          rows={1}
          aria-label="Message"
          placeholder={c.model ? `Message ${c.model}` : "No model"}
          value={text}
          onInput={(e) => setText(e.currentTarget.value)}
          onKeyDown={key}
        />
        <div class="row">
          <div class="effort">
            <Icon name="spark" />
            <Select
              label="Thinking"
              value={c.params.effort}
              options={efforts.map(([value, name]) => [
                value,
                value === "budget" ? `Thinking: ${count(c.params.budget ?? 0)} tokens` : `Thinking: ${name.toLowerCase()}`,
              ])}
              onChange={(effort) => setParams({ effort: effort as typeof c.params.effort })}
            />
          </div>
          <Total />
          {busy ? (
            <button type="button" class="go" aria-label="Stop" title="Stop (Esc)" onClick={stop}>
              <Icon name="stop" />
            </button>
          ) : (
            <button type="submit" class="go" aria-label="Send" title="Send (Enter)" disabled={!ready}>
              <Icon name="send" />
            </button>
          )}
        </div>
      </div>
    </form>
  );
}

// Of what is shown, all turns together.
function Total() {
  changed.value;
  if (liveLeaf.value) tick.value;
  const turns = path(conversation.value).filter((t) => t.usage);
  if (turns.length === 0) return <span class="total" />;
  let made = 0;
  let cost: number | undefined;
  for (const { usage } of turns) {
    made += usage!.thought + usage!.answer;
    const its = usage!.cost;
    if (its !== undefined) cost = (cost ?? 0) + its;
  }
  const now = liveLeaf.value?.rate;
  return (
    <span class="total" title="Generated in this conversation, as shown">
      {count(made)} tokens{cost !== undefined && ` · ${dollars(cost)}`}
      {now !== undefined && ` · ${rate(now)}/s`}
    </span>
  );
}
