// Markdown and mathematics of a model's answer to nodes. The text is nobody's friend: its HTML is shown, not read;
// its pictures become links, so that no answer fetches anything; what is left goes through DOMPurify.
import { Marked, type Token, type TokenizerAndRendererExtension, type Tokens, type TokensList } from "marked";
import { highlight } from "./highlight";
import { mathAt, mathBlockAt, mathBlockStart, mathStart } from "./math";

export const escape = (text: string) =>
  text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const mathHtml = (tex: string, display: boolean) =>
  `<span class="tex"${display ? ' data-display="1"' : ""}>${escape(tex)}</span>`;

const inlineMath: TokenizerAndRendererExtension = {
  name: "inlineMath",
  level: "inline",
  start: mathStart,
  tokenizer(text) {
    const math = mathAt(text);
    return math && { type: "inlineMath", ...math };
  },
  renderer: (token) => mathHtml(token.tex, token.display),
};

const blockMath: TokenizerAndRendererExtension = {
  name: "blockMath",
  level: "block",
  start: mathBlockStart,
  tokenizer(text) {
    const math = mathBlockAt(text);
    return math && { type: "blockMath", ...math };
  },
  renderer: (token) => mathHtml(token.tex, true),
};

function codeHtml({ text, lang }: Tokens.Code): string {
  const language = /^[\w+#.-]*/.exec(lang ?? "")![0];
  const body = highlight(text, language.toLowerCase()) ?? escape(text);
  return (
    `<figure class="code"><figcaption><span>${escape(language || "text")}</span>` +
    `<button type="button" data-copy="code">Copy</button></figcaption>` +
    `<pre tabindex="0"><code>${body}</code></pre></figure>`
  );
}

function make(breaks: boolean): Marked {
  return new Marked({
    gfm: true,
    breaks,
    extensions: [inlineMath, blockMath],
    tokenizer: {
      // 3*9 is a product: a single star within a word begins no emphasis.
      emStrong: (text, _, before) => (/[\w)\]]$/.test(before ?? "") && /^\*[\w(\[]/.test(text) ? undefined : false),
      html: () => undefined,
      tag(text) {
        const br = /^<br\s*\/?>/i.exec(text);
        return br ? ({ type: "br", raw: br[0] } as unknown as Tokens.Tag) : undefined;
      },
    },
    renderer: {
      code: codeHtml,
      table(token) {
        const cell = (tag: string) => (c: Tokens.TableCell) =>
          `<${tag}${c.align ? ` align="${c.align}"` : ""}>${this.parser.parseInline(c.tokens)}</${tag}>`;
        const row = (cells: string[]) => `<tr>${cells.join("")}</tr>`;
        return (
          `<div class="table" tabindex="0"><table><thead>${row(token.header.map(cell("th")))}</thead>` +
          `<tbody>${token.rows.map((r) => row(r.map(cell("td")))).join("")}</tbody></table></div>`
        );
      },
      link({ href, tokens }) {
        const inner = this.parser.parseInline(tokens);
        return /^(https?:\/\/|mailto:)/i.test(href) ? `<a href="${escape(href)}">${inner}</a>` : inner;
      },
      image({ href, text }) {
        const inner = escape(text || "picture");
        return /^https?:\/\//i.test(href) ? `<a href="${escape(href)}">${inner}</a>` : inner;
      },
    },
  });
}

// In a thought every line break counts: models think in lines.
const readers = { answer: make(false), thought: make(true) };
export type Manner = keyof typeof readers;

export interface Block {
  raw: string; // what it is made of: equal for equal blocks
  html: () => string; // not clean yet
}

// The top-level blocks of a text. While it grows, all but the last stay as they are and need not be made again.
export function blocks(text: string, manner: Manner = "answer"): Block[] {
  const reader = readers[manner];
  const tokens = reader.lexer(text);
  const links = Object.keys(tokens.links).length > 0 ? JSON.stringify(tokens.links) : "";
  return tokens
    .filter((token) => token.type !== "space" && token.type !== "def")
    .map((token) => ({ raw: token.raw + links, html: () => reader.parser(one(token, tokens.links)) }));
}

function one(token: Token, links: TokensList["links"]): TokensList {
  return Object.assign([token], { links }) as TokensList;
}

export const toHtml = (text: string, manner: Manner = "answer") =>
  blocks(text, manner).map((b) => b.html()).join("");
