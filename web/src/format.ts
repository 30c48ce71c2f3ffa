// Numbers as people read them.

export function seconds(s: number): string {
  if (s > 0 && s < 0.1) return `${s < 0.001 ? (1000 * s).toFixed(1) : Math.round(1000 * s)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  const whole = Math.round(s);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

export function count(n: number): string {
  return Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

export function tokens(n: number): string {
  return `${count(n)} token${n === 1 ? "" : "s"}`;
}

export function rate(perSecond: number): string {
  return perSecond >= 100 ? count(perSecond) : perSecond.toFixed(1);
}

// Small sums keep two digits that say something.
export function dollars(x: number): string {
  if (x === 0) return "$0";
  if (x >= 0.01) return `$${x.toFixed(2)}`;
  const digits = Math.min(1 - Math.floor(Math.log10(x)), 8);
  return `$${x.toFixed(digits)}`;
}

export function share(x: number): string {
  return `${(100 * x).toFixed(x > 0 && x < 0.1 ? 1 : 0)} %`;
}

const day = 24 * 3600 * 1000;

// The heading a conversation stands under.
export function age(time: number, now: number): string {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (time >= midnight) return "Today";
  if (time >= midnight - day) return "Yesterday";
  if (time >= midnight - 7 * day) return "Last 7 days";
  if (time >= midnight - 30 * day) return "Last 30 days";
  return new Date(time).toLocaleDateString("en", { month: "long", year: "numeric" });
}

export function moment(time: number): string {
  return new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}
