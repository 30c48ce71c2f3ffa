// Blocks of Markdown to clean nodes, with mathematics set. The only place where HTML becomes nodes.
import DOMPurify from "dompurify";
import katex from "katex";
import type { Block } from "./markdown";

export function render(block: Block): DocumentFragment {
  const nodes = DOMPurify.sanitize(block.html(), {
    RETURN_DOM_FRAGMENT: true,
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["style", "form", "img", "video", "audio", "picture", "source"],
    FORBID_ATTR: ["style", "id", "name"],
  });
  for (const link of nodes.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const box of nodes.querySelectorAll<HTMLElement>(".tex")) {
    katex.render(box.textContent ?? "", box, {
      displayMode: box.dataset.display !== undefined,
      throwOnError: false,
      strict: "ignore",
      maxSize: 50,
      maxExpand: 500,
    });
  }
  return nodes;
}
