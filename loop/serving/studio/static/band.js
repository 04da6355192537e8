// An interval around a line; around one point alone it is a stroke, for a band would have no width.

import { svg } from "./dom.js";

/** `low` and `high` are the ends at each point, as "x,y". */
export function band(colour, low, high) {
  if (low.length > 1) return [svg("polygon", { class: `fill-${colour}`, points: [...high, ...low.reverse()].join(" ") })];
  return low.map((end, n) => svg("polyline", { class: `line-${colour} alone`, points: `${end} ${high[n]}` }));
}
