// Line icons, 24 × 24, drawn by one path each.
const paths = {
  menu: "M4 7h16M4 12h16M4 17h10",
  plus: "M12 5v14M5 12h14",
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM16.2 16.2 20 20",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  copy: "M9 9h10v10H9zM5 15V5h10",
  check: "M5 13l4 4L19 7",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  again: "M20 12a8 8 0 1 1-2.4-5.7M20 4v4.5h-4.5",
  branch: "M7 4v10.5M7 20a2.7 2.7 0 1 1 0-5.4A2.7 2.7 0 0 1 7 20zM17 9.4A2.7 2.7 0 1 1 17 4a2.7 2.7 0 0 1 0 5.4zM17 9.4c0 4.6-4.5 4-7.5 6.3",
  forward: "M5 6l7 6-7 6zM13 6l7 6-7 6z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  down: "M6 9l6 6 6-6",
  arrowDown: "M12 5v14M6 13l6 6 6-6",
  left: "M14 7l-5 5 5 5",
  right: "M10 7l5 5-5 5",
  sliders: "M4 8h9M17 8h3M4 16h3M11 16h9M15 5.5v5M9 13.5v5",
  pulse: "M3 12h4l3-7 4 14 3-7h4",
  more: "M5 11.4a.6.6 0 1 1 0 1.2.6.6 0 0 1 0-1.2zm7 0a.6.6 0 1 1 0 1.2.6.6 0 0 1 0-1.2zm7 0a.6.6 0 1 1 0 1.2.6.6 0 0 1 0-1.2z",
  close: "M6 6l12 12M18 6L6 18",
  list: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M7 14h10",
  auto: "M4 5h16v11H4zM9 20h6M12 16v4",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  upload: "M12 16V5M7 9l5-5 5 5M5 20h14",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  spark: "M12 4l1.8 5.2L19 11l-5.2 1.8L12 18l-1.8-5.2L5 11l5.2-1.8z",
};

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
