import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { changed, conversation, keyWanted, locked, models, send, tick } from "../state";
import { path } from "../tree";
import { Composer } from "./composer";
import { IconButton } from "./controls";
import { AssistantTurn, UserTurn } from "./turns";

export function Chat() {
  changed.value;
  const c = conversation.value;
  const turns = path(c);
  const box = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  const [away, setAway] = useState(false);

  // Not there any more: when a frame comes after another page was opened.
  const toEnd = () => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  const scrolled = (e: Event) => {
    const b = e.currentTarget as HTMLElement;
    pinned.current = b.scrollHeight - b.scrollTop - b.clientHeight < 60;
    setAway(!pinned.current);
  };
  // Follows the end while it is in sight.
  useLayoutEffect(() => {
    if (pinned.current) toEnd();
  });
  useEffect(
    () =>
      tick.subscribe(() => {
        if (pinned.current) requestAnimationFrame(toEnd);
      }),
    [],
  );
  useLayoutEffect(() => {
    pinned.current = true;
    toEnd();
  }, [c.id, c.leaf]);

  return (
    <div class="chat">
      <div class="turns" ref={box} onScroll={scrolled}>
        {turns.length === 0 ? (
          <Empty />
        ) : (
          <div class="column" role="log" aria-live="off" aria-label="Conversation">
            {turns.map((turn, i) =>
              turn.role === "user" ? (
                <UserTurn key={turn.id} turn={turn} />
              ) : (
                <AssistantTurn key={turn.id} turn={turn} last={i + 1 === turns.length} />
              ),
            )}
          </div>
        )}
      </div>
      {away && (
        <div class="to-end">
          <IconButton icon="arrowDown" label="To the end" onClick={toEnd} />
        </div>
      )}
      <Composer />
    </div>
  );
}

// r1-nano, which the project comes with, knows one kind of question.
const puzzles = ["Use 3, 9, 1 to make 24.", "Use 7, 4, 2 to make 26.", "Use 8, 5, 6 to make 43."];
const questions = [
  "How many times does the letter r occur in “strawberry”?",
  "Prove that √2 is irrational.",
  "Write a C++ function that finds the median of two sorted arrays.",
];

function Empty() {
  const model = conversation.value.model;
  if (models.value.length === 0)
    return (
      <div class="empty">
        {locked.value && (
          <>
            <h1>This server wants a key</h1>
            <p>
              <button type="button" class="primary" onClick={() => (keyWanted.value = true)}>
                Enter a key
              </button>
            </p>
          </>
        )}
      </div>
    );
  return (
    <div class="empty">
      <h1>What shall we think about?</h1>
      <p>
        {model} answers on this machine. Nothing you write leaves the server.
      </p>
      <ul>
        {(/r1-nano/i.test(model) ? puzzles : questions).map((q) => (
          <li key={q}>
            <button type="button" onClick={() => send(q)}>
              {q}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
