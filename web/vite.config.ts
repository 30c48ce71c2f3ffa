import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { singleFile } from "./single_file";

// KaTeX offers each font in three formats; every browser that runs this page reads the smallest.
const onlyWoff2 = {
  name: "only-woff2",
  enforce: "pre" as const,
  transform(code: string, id: string) {
    if (!id.includes("katex") || !id.split("?")[0]!.endsWith(".css")) return;
    return code.replace(/,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\(["'](?:woff|truetype)["']\)/g, "");
  },
};

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  plugins: [onlyWoff2, singleFile()],
  build: {
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 1 << 20,
    reportCompressedSize: false,
  },
  server: { proxy: Object.fromEntries(["/v1", "/metrics", "/traces", "/health", "/api"].map((p) => [p, "http://127.0.0.1:11434"])) },
  test: { include: ["src/**/*.test.ts"], setupFiles: ["test_setup.ts"] },
});
