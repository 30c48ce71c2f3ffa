// The engine as it is now, read from the server's metrics once a second while it is looked at.
import { useEffect, useState } from "preact/hooks";
import { isApiError, metrics } from "../api";
import { count, rate, share } from "../format";
import { engineView, parseMetrics, type EngineView, type Reading } from "../metrics";

const kept = 90; // readings

export function Engine() {
  const [views, setViews] = useState<EngineView[]>([]);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let before: Reading | undefined;
    let stopped = false;
    let timer = 0;
    const read = async () => {
      try {
        if (!document.hidden) {
          const now = parseMetrics(await metrics(), performance.now());
          const next = engineView(now, before);
          if (before) setViews((all) => [...all, next].slice(-kept));
          before = now;
          setProblem("");
        }
      } catch (e) {
        setProblem(isApiError(e) && e.status === 403 ? "This key may not read the metrics." : (e as Error).message);
      }
      if (!stopped) timer = window.setTimeout(read, 1000);
    };
    void read();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, []);
  const now = views.at(-1);
  if (problem) return <p class="wrong">{problem}</p>;
  if (!now) return <p class="none">Reading…</p>;
  return (
    <div class="engine">
      <Tile name="Tokens per second" value={rate(now.tokensPerSecond)} series={views.map((v) => v.tokensPerSecond)} />
      <Tile name="Running" value={count(now.running)} series={views.map((v) => v.running)} />
      <Tile name="Waiting" value={count(now.waiting)} series={views.map((v) => v.waiting)} />
      <Tile name="KV cache in use" value={share(now.kv)} series={views.map((v) => v.kv)} top={1} />
      <dl>
        <dt>Prompt tokens from the cache</dt>
        <dd>{share(now.hitShare)}</dd>
        <dt>Tokens generated</dt>
        <dd>{count(now.generated)}</dd>
        <dt>Steps per second</dt>
        <dd>{rate(now.stepsPerSecond)}</dd>
      </dl>
    </div>
  );
}

const width = 240;
const height = 44;

function Tile({ name, value, series, top }: { name: string; value: string; series: number[]; top?: number }) {
  const most = Math.max(top ?? 0, ...series, 1e-9);
  const points = series.map((y, i) => {
    const x = width - (series.length - 1 - i) * (width / (kept - 1));
    return `${x.toFixed(1)},${(height - 2 - (y / most) * (height - 6)).toFixed(1)}`;
  });
  const first = points[0]?.split(",")[0] ?? "0";
  return (
    <figure class="tile">
      <figcaption>
        <span>{name}</span>
        <strong>{value}</strong>
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        <polygon points={`${first},${height} ${points.join(" ")} ${width},${height}`} />
        <polyline points={points.join(" ")} />
      </svg>
    </figure>
  );
}
