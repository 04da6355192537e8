// The loop's state, asked for every few seconds.

import { get, watch } from "./api.js";
import { curveChart } from "./chart.js";
import { $, el } from "./dom.js";
import { learnRoles } from "./roles.js";
import { term } from "./tips.js";
import { fit, versionRows } from "./versions.js";
import { CHECK_TIP, FIT_TIP } from "./words.js";

const EVERY = 5000;

const shown = {};
let failed = false;
let follow = () => {};

export function watchLoop(act) {
  follow = act;
  watch(refresh, EVERY);
}

async function refresh() {
  try {
    const loop = await get("loop");
    show(loop);
    await follow(loop);
    if (failed) $("moved").textContent = "";
    failed = false;
  } catch (error) {
    failed = true;
    if (error.status === 401 || error.status === 403) learnRoles([]);
    $("moved").textContent = error.message;
  }
}

function show(loop) {
  $("key-row").hidden = !loop.key_needed;
  learnRoles(loop.roles);
  draw("stream", [loop.stream, loop.rounds.length], () => tiles(loop));
  draw("curves", loop.curves, () => [loop.curves.length ? curveChart(loop.curves) : empty("No ads shown yet: POST /v1/ads draws one and counts it as shown.")]);
  draw("versions", loop.registry, () => versionRows(loop.registry, refresh));
  draw("rounds", loop.rounds, () => [loop.rounds.length ? roundTable(loop.rounds) : empty("No rounds yet: adloom train-round learns from the clicks so far.")]);
  draw("stream-note", [loop.stream.problem, loop.stream.unread], () => note(loop.stream));
  $("stream-note").hidden = !$("stream-note").childElementCount;
}

/** Draws what has changed, and nothing else: whoever stands on it with the keyboard stays there. */
function draw(id, state, make) {
  const now = JSON.stringify(state);
  if (shown[id] === now) return;
  shown[id] = now;
  $(id).replaceChildren(...make());
}

function note({ problem, unread }) {
  if (problem) return [el("p", {}, el("strong", {}, "Clicks cannot be taken in: "), problem)];
  if (!unread) return [];
  return [el("p", {}, el("strong", {}, "No consumer seen: "), "what shoppers see and click is kept, and nobody learns from it. Run ", el("code", {}, "adloom consume"), "."), el("p", { class: "soft" }, unread)];
}

function tiles({ stream, rounds }) {
  const aside = stream.dead_letters && Object.values(stream.dead_letters).reduce((a, b) => a + b, 0);
  const own = (value) => (value == null ? term("–", "adloom consume runs elsewhere: its own metrics tell", { "aria-label": "not known here" }) : value.toLocaleString());
  return [
    tile("Shown or clicked a second", "Events of the last minute in the event log", stream.events_per_second.toLocaleString()),
    tile("In the last 30 days", "Events in the event log: ads shown, and clicks", stream.events.toLocaleString()),
    tile("Waiting to be read", "Consumer lag: events in Kafka that are not in the features yet", own(stream.lag)),
    tile("Set aside", "Dead letters: events that could not be read, kept with the reason in a topic of their own", own(aside)),
    tile("Learning rounds", "How often a new version was trained on clicks", rounds.length.toLocaleString()),
  ];
}

const tile = (name, tip, value) => el("div", {}, el("dt", {}, term(name, tip)), el("dd", {}, value));
const empty = (text) => el("p", { class: "empty" }, text);

function roundTable(rounds) {
  const heads = ["Round", "Version", "Clicks learnt", term("Fit to later clicks", FIT_TIP), term("Check", CHECK_TIP)];
  const rows = rounds.map((round) => el("tr", {},
    el("td", {}, `${round.number}`), el("td", {}, `${round.version}`), el("td", {}, round.train_clicks.toLocaleString()),
    el("td", {}, fit(round.heldout_before, round.heldout_after)),
    el("td", { class: round.passed ? "good" : "bad" }, round.passed ? "passed" : `not passed: ${round.objections.join("; ")}`)));
  return el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...rows));
}
