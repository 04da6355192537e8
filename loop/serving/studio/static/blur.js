// A picture out of focus where the model did not use it, to be laid over the sharp one.

import { svg } from "./dom.js";

const FOCUS = 0.42; // how far out of focus, and
const EDGE = 0.3; // how soft the edge is, in cells
let drawn = 0;

/** `kept` tells by rows of cells what was used; `whole` shows the picture on white, uncut. */
export function blurred(address, kept, { whole }) {
  const [cells, n] = [kept.length, ++drawn];
  const [out, soft, dropped] = ["out", "soft", "dropped"].map((name) => `${name}-${n}`);
  // What lies at the edge goes on beyond it, or it would be sharp there.
  const [begin, end] = [(at) => (at ? at : -1), (at) => (at === cells - 1 ? cells + 1 : at + 1)];
  const holes = kept.flatMap((row, y) => row.flatMap((used, x) => (used ? [] :
    [svg("rect", { x: begin(x), y: begin(y), width: end(x) - begin(x), height: end(y) - begin(y) })])));
  const all = { x: 0, y: 0, width: cells, height: cells };
  const units = { ...all, filterUnits: "userSpaceOnUse", "color-interpolation-filters": "sRGB" };
  const picture = svg("image", { ...all, href: address, preserveAspectRatio: whole ? "xMidYMid meet" : "xMidYMid slice", filter: `url(#${out})` });
  return svg("svg", { viewBox: `0 0 ${cells} ${cells}`, "aria-hidden": "true" },
    svg("filter", { id: out, ...units }, svg("feGaussianBlur", { stdDeviation: FOCUS, edgeMode: "duplicate" }), svg("feColorMatrix", { type: "saturate", values: 0.45 })),
    svg("filter", { id: soft, ...units, x: -1, y: -1, width: cells + 2, height: cells + 2 }, svg("feGaussianBlur", { stdDeviation: EDGE })),
    svg("mask", { id: dropped, ...all, maskUnits: "userSpaceOnUse" }, svg("g", { class: "holes", filter: `url(#${soft})` }, ...holes)),
    svg("g", { mask: `url(#${dropped})` }, svg("rect", { class: "white", ...all }), picture));
}
