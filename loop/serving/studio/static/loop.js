// The loop's state, asked for every few seconds, and the buttons that move the champion.

import { get, post, watch } from "./api.js";
import { curveChart } from "./chart.js";
import { $, el, tell } from "./dom.js";
import { learnRoles, needing } from "./roles.js";

const EVERY = 5000;

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
  } catch (error) {
    if (error.status === 401 || error.status === 403) learnRoles([]);
    $("moved").textContent = error.message;
  }
}

function show(loop) {
  $("key-row").hidden = !loop.key_needed;
  learnRoles(loop.roles);
  const dead = loop.stream.dead_letters && Object.values(loop.stream.dead_letters).reduce((a, b) => a + b, 0);
  const elsewhere = (value) => (value == null ? "elsewhere" : value.toLocaleString());
  $("stream").replaceChildren(
    ...tile("Events a second", loop.stream.events_per_second),
    ...tile("Events, 30 days", loop.stream.events.toLocaleString()),
    ...tile("Consumer lag", elsewhere(loop.stream.lag)),
    ...tile("Dead letters", elsewhere(dead)),
    ...tile("Rounds", loop.rounds.length),
  );
  $("curves").replaceChildren(loop.curves.length ? curveChart(loop.curves) : empty("No ads shown yet: POST /v1/ads draws one and counts it as shown."));
  $("versions").replaceChildren(...loop.versions.map((version) => versionRow(version, loop.can_roll_back)));
  $("rounds").replaceChildren(loop.rounds.length ? roundTable(loop.rounds) : empty("No rounds yet: adloom train-round learns from the clicks so far."));
}

const tile = (name, value) => [el("div", {}, el("dt", {}, name), el("dd", {}, `${value}`))];
const empty = (text) => el("p", { class: "empty" }, text);

function versionRow(version, canRollBack) {
  const champion = version.aliases.includes("champion");
  const gain = version.heldout_after == null ? "" : `held-out loss ${version.heldout_before.toFixed(3)} → ${version.heldout_after.toFixed(3)}`;
  const gate = version.gate === "base" ? "base model" : `gate ${version.gate ?? "unknown"}`;
  const button = champion && !canRollBack ? el("span", {}) : champion
    ? needing("admin", el("button", { class: "plain", type: "button", id: "rollback", onclick: () => move("rollback", {}, "Make the champion before this one champion again?") }, "Roll back"))
    : needing("admin", el("button", { class: "plain", type: "button", "data-promote": version.number, onclick: () => move("promote", { version: version.number }, `Let version ${version.number} draw the ads from now on?`) }, "Promote"));
  const badges = version.aliases.map((alias) => el("span", { class: "badge" }, alias));
  return el("div", { class: "version" },
    el("div", {}, el("strong", {}, `Version ${version.number}`), ...badges),
    el("div", { class: "gate" }, [gate, gain].filter(Boolean).join(" · ")), button);
}

async function move(path, body, question) {
  $("confirm-text").textContent = question;
  $("confirm").returnValue = "no";
  $("confirm").showModal();
  await new Promise((done) => $("confirm").addEventListener("close", done, { once: true }));
  if ($("confirm").returnValue !== "yes") return;
  try {
    const { champion } = await post(path, body);
    tell(null);
    await refresh();
    $("moved").textContent = `Version ${champion} is champion now; servers follow within seconds.`;
  } catch (error) {
    tell(error);
  }
}

function roundTable(rounds) {
  const heads = ["Round", "Version", "Clicks learned", "Held-out loss", "Gate"];
  const rows = rounds.map((round) => el("tr", {},
    el("td", {}, `${round.number}`), el("td", {}, `${round.version}`), el("td", {}, `${round.train_clicks}`),
    el("td", {}, `${round.heldout_before.toFixed(3)} → ${round.heldout_after.toFixed(3)}`),
    el("td", { class: round.passed ? "good" : "bad" }, round.passed ? "passed" : round.objections.join("; "))));
  return el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...rows));
}
