// Click-through rates: a line a variant, its 95 % interval as a band around it. Points stand in the
// order of time, evenly: showings come in bursts, and by the clock a burst would be one line.

import { el, svg } from "./dom.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [560, 290, 62, 14, 14, 34];
const COLOURS = 4;

export function curveChart(curves) {
  const points = curves.flatMap((curve) => curve.points);
  const times = points.map((point) => Date.parse(point.at)).sort((a, b) => a - b);
  const [first, last] = [times[0], times.at(-1)];
  const top = Math.min(1, Math.max(0.05, ...points.map((point) => point.high)) * 1.05);
  const x = (point) => LEFT + (WIDTH - LEFT - RIGHT) * (last > first ? times.indexOf(Date.parse(point.at)) / (times.length - 1) : 0.5);
  const y = (rate) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - rate / top);
  const chart = svg("svg", { class: "curves", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "Click-through rate of each variant over time" });
  for (let step = 0; step <= 4; step++) {
    const rate = (top * step) / 4;
    chart.append(
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(rate), y2: y(rate) }),
      svg("text", { x: LEFT - 8, y: y(rate) + 4, "text-anchor": "end" }, `${(100 * rate).toFixed(0)} %`));
  }
  const moment = (time) => new Date(time).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  chart.append(svg("text", { x: LEFT, y: HEIGHT - 8 }, moment(first)), svg("text", { x: WIDTH - RIGHT, y: HEIGHT - 8, "text-anchor": "end" }, moment(last)));
  curves.forEach((curve, n) => {
    const at = (rate) => curve.points.map((point) => `${x(point).toFixed(1)},${y(point[rate]).toFixed(1)}`);
    const colour = n % COLOURS;
    chart.append(
      svg("polygon", { class: `fill-${colour}`, points: [...at("high"), ...at("low").reverse()].join(" ") }),
      svg("polyline", { class: `line-${colour}`, points: at("rate").join(" ") }),
      ...curve.points.map((point) => svg("circle", { class: `fill-${colour}`, cx: x(point), cy: y(point.rate), r: 3.5 })));
  });
  const open = (curve) => (curve.open ? `, ${curve.open} can still be clicked` : "");
  const legend = curves.map((curve, n) => el("span", { class: `fill-${n % COLOURS}` }, `${curve.variant}: ${curve.clicks} of ${curve.shown} clicked${open(curve)}`));
  return el("div", {}, ...(points.length ? [chart] : []), el("p", { class: "facts" }, ...legend));
}
