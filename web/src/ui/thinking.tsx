// The thought of an answer: open while it comes, closed when it is done, unless the reader said otherwise.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { seconds, tokens } from "../format";
import type { Turn } from "../tree";
import { Icon } from "./icons";
import { Markdown } from "./markdown";

export function Thinking({ turn, live }: { turn: Turn; live: boolean }) {
  const thinking = live && turn.text === "";
  const [chosen, choose] = useState<boolean>();
  const open = chosen ?? thinking;
  const body = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  useLayoutEffect(() => {
    const box = body.current;
    if (box && thinking && pinned.current) box.scrollTop = box.scrollHeight;
  });
  // A scroll is told in the next frame, when the thought may have been folded.
  const scrolled = (e: Event) => {
    const box = e.currentTarget as HTMLElement;
    pinned.current = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  };
  const time = seconds(turn.thoughtSeconds ?? 0);
  const length = turn.usage?.thought ? tokens(turn.usage.thought) : "";
  return (
    <section class={`thinking${thinking ? " now" : ""}`} aria-label="Thought">
      <button type="button" aria-expanded={open} onClick={() => choose(!open)}>
        <Icon name="spark" />
        <span class="what">{thinking ? "Thinking" : `Thought for ${time}`}</span>
        <span class="how-long">
          {thinking && <span>{time}</span>}
          {length && <span>{length}</span>}
        </span>
        <Icon name="down" />
      </button>
      {open && (
        <div class="thought" ref={body} onScroll={scrolled} tabIndex={0} role="group" aria-label="What was thought">
          <Markdown text={turn.thought ?? ""} manner="thought" />
        </div>
      )}
    </section>
  );
}
