import { useEffect } from "preact/hooks";
import { toJson, toMarkdown } from "../exchange";
import {
  changed, connect, conversation, drawer, forget, keysShown, keyWanted, models, notice, panel, said, setModel, startNew,
  stop, view,
} from "../state";
import { Chat } from "./chat";
import { download, IconButton, Menu, MenuItem, Select } from "./controls";
import { KeyDialog, KeysDialog } from "./dialogs";
import { Engine } from "./engine";
import { Parameters } from "./parameters";
import { Sidebar } from "./sidebar";
import { Traces } from "./traces";

export function App() {
  useEffect(() => {
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  return (
    <>
      <div class={`app${panel.value && view.value === "chat" ? " with-panel" : ""}`}>
        <Sidebar />
        {drawer.value && <div class="shade" onClick={() => (drawer.value = false)} />}
        <main>
          {view.value === "chat" ? (
            <>
              <Bar />
              <Chat />
            </>
          ) : (
            <Traces />
          )}
        </main>
        {panel.value && view.value === "chat" && <Panel />}
      </div>
      {notice.value && (
        <div class="notice" role="status">
          <span>{notice.value}</span>
          {models.value.length === 0 && (
            <button type="button" class="link" onClick={() => void connect()}>
              Try again
            </button>
          )}
          <IconButton icon="close" label="Dismiss" onClick={() => (notice.value = "")} />
        </div>
      )}
      <div class="hidden" role="status" aria-live="polite">
        {said.value}
      </div>
      {keyWanted.value && <KeyDialog />}
      {keysShown.value && <KeysDialog />}
    </>
  );
}

function onKey(e: KeyboardEvent): void {
  const target = e.target as HTMLElement;
  const writing = target.closest("input, textarea, select, dialog") !== null;
  if (e.key === "Escape" && !e.defaultPrevented && !target.closest("dialog")) {
    if (drawer.value) drawer.value = false;
    else stop();
  } else if (e.ctrlKey && e.shiftKey && e.key.toLowerCase() === "o") {
    e.preventDefault();
    startNew();
  } else if (writing || e.ctrlKey || e.metaKey || e.altKey) {
    if (e.key === "?" && target.id === "message" && (target as HTMLTextAreaElement).value === "") {
      e.preventDefault();
      keysShown.value = true;
    } else if (e.key === "/" && target.id === "message" && (target as HTMLTextAreaElement).value === "") {
      focusSearch(e);
    }
  } else if (e.key === "/") {
    focusSearch(e);
  } else if (e.key === "?") {
    keysShown.value = true;
  }
}

function focusSearch(e: KeyboardEvent): void {
  e.preventDefault();
  drawer.value = true;
  requestAnimationFrame(() => document.getElementById("search")?.focus());
}

const fileName = (title: string) => title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 50) || "conversation";

function Bar() {
  changed.value;
  const c = conversation.value;
  const empty = c.leaf === null;
  const toggle = (name: "parameters" | "engine") => () => (panel.value = panel.value === name ? "" : name);
  return (
    <header class="bar">
      <IconButton icon="menu" label="Conversations" class="narrow" onClick={() => (drawer.value = true)} />
      <div class="model">
        <Select
          label="Model"
          value={c.model}
          options={models.value.map((name) => [name, name])}
          onChange={setModel}
          disabled={models.value.length === 0}
        />
      </div>
      <span class="spread" />
      <IconButton icon="pulse" label="Engine" pressed={panel.value === "engine"} onClick={toggle("engine")} />
      <IconButton icon="sliders" label="Parameters" pressed={panel.value === "parameters"} onClick={toggle("parameters")} />
      {!empty && (
        <Menu label="This conversation" icon="more">
          <MenuItem icon="download" onClick={() => download(`${fileName(c.title)}.md`, "text/markdown", toMarkdown(c))}>
            Export as Markdown
          </MenuItem>
          <MenuItem icon="download" onClick={() => download(`${fileName(c.title)}.json`, "application/json", toJson([c]))}>
            Export as JSON
          </MenuItem>
          <MenuItem icon="trash" danger onClick={() => void forget(c.id)}>
            Delete
          </MenuItem>
        </Menu>
      )}
    </header>
  );
}

function Panel() {
  const [title, body] = panel.value === "engine" ? ["Engine", <Engine />] : ["Parameters", <Parameters />];
  return (
    <aside class="panel" aria-label={title as string}>
      <header>
        <h2>{title}</h2>
        <IconButton icon="close" label={`Close ${title}`} onClick={() => (panel.value = "")} />
      </header>
      {body}
    </aside>
  );
}
