// The list of conversations.
import { useEffect, useRef, useState } from "preact/hooks";
import { toJson } from "../exchange";
import { age } from "../format";
import type { Found } from "../search";
import {
  conversation, drawer, everything, forget, heads, importFile, keysShown, lasting, open, rename, search, startNew,
  theme, tracesThere, view,
} from "../state";
import type { Head } from "../store";
import { download, IconButton, Menu, MenuItem } from "./controls";
import { Icon } from "./icons";

export function Sidebar() {
  const [query, setQuery] = useState("");
  const [found, setFound] = useState<Found[]>();
  const file = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (!query.trim()) return setFound(undefined);
    let current = true;
    const timer = setTimeout(() => void search(query).then((hits) => current && setFound(hits)), 120);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [query, heads.value]);

  const byId = new Map(heads.value.map((h) => [h.id, h]));
  const groups = new Map<string, { head: Head; snippet: string }[]>();
  const now = Date.now();
  const shown = found ? found.map((f) => ({ head: byId.get(f.id), snippet: f.snippet })) : heads.value.map((head) => ({ head, snippet: "" }));
  for (const { head, snippet } of shown) {
    if (!head) continue;
    const group = found ? "Found" : age(head.updated, now);
    groups.set(group, [...(groups.get(group) ?? []), { head, snippet }]);
  }
  const exportAll = async () => download("r1-conversations.json", "application/json", toJson(await everything()));
  const read = async (input: HTMLInputElement) => {
    const chosen = input.files?.[0];
    input.value = "";
    if (chosen) await importFile(await chosen.text());
  };
  return (
    <nav class={`sidebar${drawer.value ? " open" : ""}`} aria-label="Conversations" id="sidebar">
      <div class="brand">
        <span class="mark" aria-hidden="true">
          r1
        </span>
        <button type="button" class="new" onClick={startNew}>
          <Icon name="plus" />
          New chat
        </button>
        <IconButton icon="close" label="Close the list" class="narrow" onClick={() => (drawer.value = false)} />
      </div>
      <div class="search">
        <Icon name="search" />
        <input
          id="search"
          type="search"
          aria-label="Search conversations"
          placeholder="Search"
          value={query}
          onInput={(e) => setQuery(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key !== "Escape") return;
            setQuery("");
            document.getElementById("message")?.focus();
          }}
        />
        <kbd>/</kbd>
      </div>
      <div class="conversations">
        {[...groups].map(([name, list]) => (
          <section key={name} aria-label={name}>
            <h2>{name}</h2>
            <ul>
              {list.map(({ head, snippet }) => (
                <Entry key={head.id} head={head} snippet={snippet} />
              ))}
            </ul>
          </section>
        ))}
        {found?.length === 0 && <p class="none">Nothing has these words.</p>}
        {!found && heads.value.length === 0 && <p class="none">Conversations stay in this browser.</p>}
        {!lasting.value && <p class="none">This browser keeps nothing: conversations end with the page.</p>}
      </div>
      <footer>
        {tracesThere.value && (
          <a class="plain" href="#traces" aria-current={view.value === "traces" ? "page" : undefined} onClick={() => (drawer.value = false)}>
            <Icon name="list" />
            Traces
          </a>
        )}
        <span class="spread" />
        <ThemeSwitch />
        <IconButton icon="keyboard" label="Keys" keys="?" onClick={() => (keysShown.value = true)} />
        <Menu label="All conversations" icon="more">
          <MenuItem icon="download" onClick={() => void exportAll()}>
            Export all (JSON)
          </MenuItem>
          <MenuItem icon="upload" onClick={() => file.current!.click()}>
            Import…
          </MenuItem>
        </Menu>
        <input
          ref={file}
          type="file"
          hidden
          accept="application/json,.json"
          aria-label="File of conversations to import"
          onChange={(e) => void read(e.currentTarget)}
        />
      </footer>
    </nav>
  );
}

function Entry({ head, snippet }: { head: Head; snippet: string }) {
  const [renaming, setRenaming] = useState(false);
  const here = view.value === "chat" && conversation.value.id === head.id;
  if (renaming) {
    let kept = false; // leaving the field keeps its text too, but only once, and not after Esc
    const end = (title?: string) => {
      if (kept) return;
      kept = true;
      setRenaming(false);
      if (title !== undefined) void rename(head.id, title);
    };
    return (
      <li>
        <input
          class="rename"
          aria-label="Title"
          value={head.title}
          ref={(input) => input?.focus()}
          onBlur={(e) => end(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key === "Enter") end(e.currentTarget.value);
            if (e.key === "Escape") end();
          }}
        />
      </li>
    );
  }
  return (
    <li class={here ? "here" : ""}>
      <a href={`#${head.id}`} aria-current={here ? "page" : undefined} onClick={() => open(head.id)}>
        <span class="title">{head.title || "Untitled"}</span>
        {snippet && <span class="snippet">{snippet}</span>}
      </a>
      <Menu label={`More for ${head.title}`} icon="more">
        <MenuItem icon="edit" onClick={() => setRenaming(true)}>
          Rename
        </MenuItem>
        <MenuItem icon="trash" danger onClick={() => void forget(head.id)}>
          Delete
        </MenuItem>
      </Menu>
    </li>
  );
}

const themes = { system: ["auto", "Theme: as the system"], light: ["sun", "Theme: light"], dark: ["moon", "Theme: dark"] } as const;
const order = ["system", "light", "dark"] as const;

function ThemeSwitch() {
  const [icon, label] = themes[theme.value];
  const next = order[(order.indexOf(theme.value) + 1) % order.length]!;
  return <IconButton icon={icon} label={label} onClick={() => (theme.value = next)} />;
}
