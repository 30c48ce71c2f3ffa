// Makes the build one HTML file that asks for nothing: scripts and styles stand in it, named by their hashes in its
// Content-Security-Policy, and the licences of what was bundled stand at its end.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import type { Plugin, Rollup } from "vite";

const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

export function policy(scripts: string[], styles: string[]): string {
  return [
    "default-src 'none'",
    `script-src ${scripts.map(hash).join(" ")}`,
    `style-src ${styles.map(hash).join(" ")}`,
    "font-src data:",
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types dompurify",
  ].join("; ");
}

// "name version" of the package that a bundled module came from, and its folder.
function packageOf(id: string): string | undefined {
  const parts = id.split("?")[0]!.replace(/^\0/, "").split(sep);
  const at = parts.lastIndexOf("node_modules");
  if (at < 0) return undefined;
  const scoped = parts[at + 1]!.startsWith("@");
  return parts.slice(0, at + (scoped ? 3 : 2)).join(sep);
}

function licence(folder: string): string {
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).sort().find((name) => /^licen[cs]e(\.(md|txt))?$/i.test(name));
  if (!file) throw new Error(`${folder}: no licence to pass on`);
  const text = readFileSync(join(folder, file), "utf8").trim();
  return `${about.name} ${about.version} (${about.license})\n\n${text}`;
}

export function singleFile(): Plugin {
  return {
    name: "single-file",
    enforce: "post",
    apply: "build",
    generateBundle(_, bundle) {
      const files = Object.values(bundle);
      const page = files.find((f): f is Rollup.OutputAsset => f.fileName.endsWith(".html"));
      const code = files.filter((f): f is Rollup.OutputChunk => f.type === "chunk");
      const styles = files.filter((f): f is Rollup.OutputAsset => f.fileName.endsWith(".css"));
      if (!page || code.length !== 1 || styles.length !== 1 || files.length !== 3)
        this.error(`one page, script and style sheet expected: ${files.map((f) => f.fileName)}`);

      // Neither may end its element early.
      const script = code[0]!.code.replace(/<\/(script)/gi, "<\\/$1").replace(/<!--/g, "<\\!--").trim();
      const style = String(styles[0]!.source).trim();
      if (/<\/style/i.test(style)) this.error("the style sheet ends its own element");

      const folders = new Set(Object.keys(code[0]!.modules).map(packageOf).filter((f) => f !== undefined));
      const licences = [...folders].filter((f) => existsSync(join(f, "package.json"))).map(licence).sort();
      const notice = `Bundled here:\n\n${licences.join("\n\n----\n\n")}\n`.replace(/--+>|--!>/g, "- ->");

      // The script last: it holds the ends of elements as texts.
      const html = String(page.source)
        .replace(/\s*<script[^>]*src=[^>]*><\/script>/, "")
        .replace(/\s*<link[^>]*rel="stylesheet"[^>]*>/, "")
        .replace(
          /(<meta charset[^>]*>)/,
          (meta) => `${meta}\n    <meta http-equiv="Content-Security-Policy" content="${policy([script], [style])}" />`,
        )
        .replace("</head>", () => `  <style>${style}</style>\n  </head>`)
        .replace("</html>", () => `</html>\n<!--\n${notice}-->`)
        .replace("</body>", () => `  <script type="module">${script}</script>\n  </body>`);
      page.source = html;
      for (const f of [code[0]!, styles[0]!]) delete bundle[f.fileName];
    },
  };
}
