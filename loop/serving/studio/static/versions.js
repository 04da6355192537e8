// The registered versions, and the buttons that move the champion.

import { post } from "./api.js";
import { $, el, tell } from "./dom.js";
import { needing } from "./roles.js";
import { term } from "./tips.js";
import { badge, check, FIT_TIP } from "./words.js";

let refresh = () => {};

/** The versions as rows; `look` asks for the loop again once the champion was moved. */
export function versionRows({ versions, back_to }, look) {
  refresh = look;
  return versions.map((version) => row(version, back_to));
}

export const fit = (before, after) => `${before.toFixed(3)} → ${after.toFixed(3)}`;

function row(version, backTo) {
  const told = [check(version.gate)];
  if (version.heldout_after != null) told.push(term(`fit to later clicks ${fit(version.heldout_before, version.heldout_after)}`, FIT_TIP));
  return el("div", { class: "version" },
    el("div", {}, el("strong", {}, `Version ${version.number}`), ...version.aliases.map(badge)),
    el("div", { class: "gate" }, ...told.flatMap((part, n) => (n ? [" · ", part] : [part])), ...run(version)),
    button(version, backTo));
}

function run({ run_id, run_url, number }) {
  if (!run_id) return [];
  if (run_url) return [" · ", el("a", { href: run_url, target: "_blank", rel: "noopener noreferrer", "aria-label": `MLflow run of version ${number}, in a new window` }, "its run")];
  return [" · ", term("its run", `MLflow run ${run_id}`, { "data-run": run_id })];
}

function button(version, backTo) {
  if (version.aliases.includes("champion")) {
    if (backTo == null) return el("span", {});
    return needing("admin", el("button", { class: "plain", type: "button", id: "rollback", onclick: () => move("rollback", {}, { question: `Let version ${backTo} draw the ads again?`, yes: "Roll back" }) }, `Roll back to ${backTo}`));
  }
  if (!version.drawable) return term("cannot draw any more", "Its adapter was removed, for it is older than the versions that are kept (mlflow.keep)", { class: "term soft" });
  return needing("admin", el("button", { class: "plain", type: "button", "data-promote": version.number, "aria-label": `Promote version ${version.number}`, onclick: () => move("promote", promotion(version), question(version)) }, "Promote"));
}

const promotion = ({ number, why }) => ({ version: number, anyway: Boolean(why) });

function question({ number, gate, why }) {
  if (!why) return { question: `Let version ${number} draw the ads from now on?`, yes: "Promote" };
  const found = gate === "undecided" ? "Nobody can tell yet whether it is better" : "It did worse than the version before";
  return { question: `Let version ${number} draw the ads all the same? ${found}:`, why, yes: "Promote anyway" };
}

async function move(path, body, { question, why = "", yes }) {
  if (!(await confirmed(question, why, yes))) return;
  try {
    const { champion } = await post(path, body);
    tell(null);
    await refresh();
    $("moved").textContent = `Version ${champion} is champion now; servers follow within seconds.`;
  } catch (error) {
    tell(error);
  }
}

async function confirmed(question, why, yes) {
  $("confirm-text").textContent = question;
  $("confirm-why").textContent = why;
  $("confirm-why").hidden = !why;
  $("confirm-yes").textContent = yes;
  $("confirm").returnValue = "no";
  $("confirm").showModal();
  await new Promise((done) => $("confirm").addEventListener("close", done, { once: true }));
  return $("confirm").returnValue === "yes";
}
