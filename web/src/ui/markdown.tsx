import { useLayoutEffect, useRef } from "preact/hooks";
import { Component } from "preact";
import { blocks, type Block, type Manner } from "../markdown";
import { render } from "../render";
import { copyText } from "./controls";

function Nodes({ block }: { block: Block }) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => box.current!.replaceChildren(render(block)));
  return <div class="block" ref={box} />;
}

// Made again only when its text changed: an answer that grows costs what its last block costs.
class Kept extends Component<{ block: Block }> {
  override shouldComponentUpdate(next: { block: Block }) {
    return next.block.raw !== this.props.block.raw;
  }
  override render({ block }: { block: Block }) {
    return <Nodes block={block} />;
  }
}

function copyCode(e: MouseEvent): void {
  const button = (e.target as Element).closest<HTMLElement>("[data-copy=code]");
  if (!button) return;
  const code = button.closest("figure")!.querySelector("code")!.textContent ?? "";
  void copyText(code).then(() => {
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}

export function Markdown({ text, manner = "answer" }: { text: string; manner?: Manner }) {
  return (
    <div class="prose" onClick={copyCode}>
      {blocks(text, manner).map((block, i) => (
        <Kept key={i} block={block} />
      ))}
    </div>
  );
}
