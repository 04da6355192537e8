// A lift of all that came up to each day's end, its always-valid interval as a band around it.

import { band } from "./band.js";
import { el, svg } from "./dom.js";
import { timeMarks } from "./time-axis.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [760, 260, 86, 14, 14, 34];
const MARKS = 5;
const REACHES = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** `figures` says what of a day is drawn: its clicks, or one of its metrics, of an arm. */
export function liftChart(days, name, figures) {
  const points = days.map((day) => ({ day: day.day, whole: day.whole, ...figures(day) })).filter((point) => point.lift != null);
  if (!points.length) return el("p", { class: "empty" }, "Nothing to compare yet.");
  // What most days ask for: the first ones know nothing, and would make the rest a flat line.
  const wanted = points.map((point) => Math.max(...[point.lift, point.always_valid_low, point.always_valid_high ?? 0].map(Math.abs))).sort((a, b) => a - b);
  const reach = REACHES.find((one) => one >= wanted[Math.floor(0.8 * (wanted.length - 1))]) ?? 5;
  const times = points.map((point) => Date.parse(point.day)); // days of UTC
  const [first, last] = [times[0], times.at(-1)];
  const x = (time) => (last > first ? LEFT + ((WIDTH - LEFT - RIGHT) * (time - first)) / (last - first) : (LEFT + WIDTH - RIGHT) / 2);
  const lowest = Math.max(-1, -reach); // no lift is lower: that is to lose everything
  const y = (lift) => TOP + ((HEIGHT - TOP - BOTTOM) * (reach - Math.min(reach, Math.max(lowest, lift)))) / (reach - lowest);
  const chart = svg("svg", { class: "curves", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Lift of ${name} by day` });
  for (const lift of [lowest, ...(lowest > -reach ? [] : [lowest / 2]), 0, reach / 2, reach]) {
    chart.append(
      svg("line", { class: lift ? "grid" : "zero", x1: LEFT, x2: WIDTH - RIGHT, y1: y(lift), y2: y(lift) }),
      svg("text", { x: LEFT - 8, y: y(lift) + 4, "text-anchor": "end" }, `${lift > 0 ? "+" : lift < 0 ? "−" : ""}${Math.abs(100 * lift).toFixed(0)} %`));
  }
  const at = (value) => points.map((point, n) => `${x(times[n]).toFixed(1)},${y(value(point)).toFixed(1)}`);
  chart.append(
    ...band(0, at((p) => p.always_valid_low ?? -1), at((p) => p.always_valid_high ?? Infinity)),
    svg("polyline", { class: "line-0", points: at((p) => p.lift).join(" ") }),
    ...points.map((point, n) => svg("circle", { class: "fill-0", cx: x(times[n]), cy: y(point.lift), r: 3.5, "data-at": point.day }, svg("title", {}, `${point.day}${point.whole ? "" : ", so far"}: ${(100 * point.lift).toFixed(1)} %`))),
    ...timeMarks(first, last, MARKS, "UTC").map(({ time, label }) =>
      svg("text", { x: x(time), y: HEIGHT - 8, "text-anchor": x(time) > WIDTH - RIGHT - 50 ? "end" : "middle", class: "time" }, label)));
  return chart;
}
