// What things are called on the page, and what the trade calls them: the tip of the word.

import { term } from "./tips.js";

const NAMES = {
  champion: "@champion: the version that draws for shoppers",
  challenger: "@challenger: it did better than the champion on clicks that it had not learnt from, and waits to be promoted",
  undecided: "@undecided: its clicks were too few to tell whether it is better; an experiment may test it on a few shoppers",
};
const CHECKS = {
  base: ["the model it began with", "Gate: the base model, which no clicks have taught"],
  passed: ["better than the version before", "Gate passed: on clicks that it had not learnt from it tells better what a shopper clicks"],
  failed: ["not better than the version before", "Gate failed: on clicks that it had not learnt from something got worse"],
  undecided: ["too few clicks to tell", "Gate undecided: the clicks it was judged by cannot tell whether it is better"],
};
const VERDICTS = {
  ship: "One variant is better, and worsens nothing that is guarded: show it to everybody",
  keep_control: "Every other variant is worse: stay with the control",
  undecided: "No difference is certain yet: let the experiment go on",
  collecting: "Too few shoppers or clicks to say anything yet",
  bad_split: "Shoppers were not divided as planned (sample ratio mismatch, SRM): no rate can be trusted before that is understood",
};
export const FIT_TIP = "Held-out loss, nats a token: how much clicks that it had not learnt from surprise the model. Less is better";
export const CHECK_TIP = "The gate: each new version is held against the champion on clicks that nothing else has read";

/** A name as a badge, with a tip where it is one of the loop's own. */
export function badge(name) {
  return NAMES[name] ? term(name, NAMES[name], { class: "badge term" }) : term(name, `Variant (arm) ${name} of an experiment`, { class: "badge term" });
}

export function check(gate) {
  const [words, tip] = CHECKS[gate] ?? ["not checked", "Gate: nobody has judged this version"];
  return term(words, tip);
}

export const verdictWord = (verdict, winner) =>
  term(`${verdict.replaceAll("_", " ")}${verdict === "ship" && winner ? ` ${winner}` : ""}`, VERDICTS[verdict] ?? `Verdict: ${verdict}`);
