// Click-through rates: a line a variant, its 95 % interval as a band around it, by the clock.

import { band } from "./band.js";
import { el, svg } from "./dom.js";
import { timeMarks } from "./time-axis.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [560, 290, 62, 14, 14, 34];
const COLOURS = 4;
const MARKS = 4;
const TOPS = [0.04, 0.08, 0.2, 0.4, 0.8, 1]; // whole per cents at each quarter

export function curveChart(curves) {
  const points = curves.flatMap((curve) => curve.points);
  const open = (curve) => (curve.open ? `, ${curve.open} can still be clicked` : "");
  const legend = curves.map((curve, n) => el("span", { class: `fill-${n % COLOURS}` }, `${curve.variant}: ${curve.clicks} of ${curve.shown} clicked${open(curve)}`));
  return el("div", {}, ...(points.length ? [chart(curves, points)] : []), el("p", { class: "facts" }, ...legend), ...(points.length ? [figures(curves)] : []));
}

const moment = (time) => new Date(time).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const percent = (rate) => `${(100 * rate).toFixed(1)} %`;
const told = (point) => `${moment(point.since)} to ${moment(point.until)}: ${point.clicks} of ${point.shown} clicked, ${percent(point.rate)} (${percent(point.low)} to ${percent(point.high)})`;

function chart(curves, points) {
  const times = points.map((point) => Date.parse(point.at));
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const highest = Math.max(...points.map((point) => point.high));
  const top = TOPS.find((one) => one >= highest) ?? 1;
  const x = (time) => LEFT + (WIDTH - LEFT - RIGHT) * (last > first ? (time - first) / (last - first) : 0.5);
  const y = (rate) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - rate / top);
  const drawn = svg("svg", { class: "curves", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "Click-through rate of each variant over time" });
  for (let step = 0; step <= 4; step++) {
    const rate = (top * step) / 4;
    drawn.append(
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(rate), y2: y(rate) }),
      svg("text", { x: LEFT - 8, y: y(rate) + 4, "text-anchor": "end" }, `${(100 * rate).toFixed(0)} %`));
  }
  for (const { time, label } of timeMarks(first, last, MARKS)) drawn.append(...mark(x(time), label));
  curves.forEach((curve, n) => {
    const at = (rate) => curve.points.map((point) => `${x(Date.parse(point.at)).toFixed(1)},${y(point[rate]).toFixed(1)}`);
    const colour = n % COLOURS;
    drawn.append(
      ...band(colour, at("low"), at("high")),
      svg("polyline", { class: `line-${colour}`, points: at("rate").join(" ") }),
      ...curve.points.map((point) => svg("circle", { class: `fill-${colour}`, cx: x(Date.parse(point.at)), cy: y(point.rate), r: 3.5, "data-at": point.at },
        svg("title", {}, `${curve.variant}, ${told(point)}`))));
  });
  return drawn;
}

function mark(x, label) {
  const near = x > WIDTH - RIGHT - 50 ? "end" : "middle";
  return [
    svg("line", { class: "grid", x1: x, x2: x, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 5 }),
    svg("text", { x, y: HEIGHT - 8, "text-anchor": near, class: "time" }, label)];
}

function figures(curves) {
  const rows = curves.flatMap((curve) => curve.points.map((point) => el("li", {}, `${curve.variant}, ${told(point)}`)));
  return el("details", {}, el("summary", {}, "The figures"), el("ul", { class: "told" }, ...rows));
}
