import { useRef, useState } from "preact/hooks";
import { hasKey } from "../api";
import { keysShown, keyWanted, locked, useKey } from "../state";
import { Modal } from "./controls";

export function KeyDialog() {
  const [tried, setTried] = useState(hasKey());
  const field = useRef<HTMLInputElement>(null);
  const stays = useRef<HTMLInputElement>(null);
  const submit = async (e: Event) => {
    e.preventDefault();
    await useKey(field.current!.value.trim(), stays.current!.checked);
    setTried(true);
  };
  const wrong = tried ? locked.value : "";
  return (
    <Modal title="This server wants a key" onClose={() => (keyWanted.value = false)}>
      <form onSubmit={(e) => void submit(e)}>
        <p>
          One is made with <code>r1 key create NAME</code> where the server runs.
        </p>
        <div class="field">
          <label for="key">Key</label>
          <input
            id="key"
            ref={field}
            type="password"
            autofocus
            autocomplete="off"
            spellcheck={false}
            placeholder="r1-…"
            aria-invalid={wrong !== ""}
            aria-describedby={wrong ? "key-wrong" : undefined}
          />
          {wrong && (
            <p class="wrong" id="key-wrong" role="alert">
              {wrong}
            </p>
          )}
        </div>
        <label class="check">
          <input type="checkbox" ref={stays} /> Remember it in this browser
        </label>
        <div class="row end">
          <button type="submit" class="primary">
            Use it
          </button>
        </div>
      </form>
    </Modal>
  );
}

const keys = [
  ["Enter", "send"],
  ["Shift + Enter", "new line"],
  ["Esc", "stop the answer"],
  ["↑", "edit the last message, from an empty field"],
  ["/", "search conversations"],
  ["Ctrl + Shift + O", "new chat"],
  ["?", "these keys"],
] as const;

export function KeysDialog() {
  return (
    <Modal title="Keys" onClose={() => (keysShown.value = false)}>
      <dl class="keys">
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              {key.split(" + ").map((k, i) => (
                <>
                  {i > 0 && " "}
                  <kbd>{k}</kbd>
                </>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
