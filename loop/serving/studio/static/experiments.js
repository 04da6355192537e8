// Experiments: the verdict and what it rests on, the same figures as `adloom experiment report`.

import { get, watch } from "./api.js";
import { $, el } from "./dom.js";
import { liftChart } from "./lift-chart.js";
import { term } from "./tips.js";
import { verdictWord } from "./words.js";

const EVERY = 60000;

export function watchExperiments() {
  $("experiment-name").addEventListener("change", show);
  watch(refresh, EVERY);
}

async function refresh() {
  try {
    const { experiments, latest } = await get("experiments");
    const chosen = $("experiment-name").value || latest;
    $("experiment-pick").hidden = experiments.length < 2;
    $("experiment-name").replaceChildren(...experiments.map((one) =>
      el("option", { value: one.name, selected: one.name === chosen }, `${one.name} (${one.runs ? "runs" : Date.parse(one.start) > Date.now() ? "not begun" : "over"})`)));
    if (experiments.length) await show();
    else empty("No experiment is defined: add [experiments.NAME] to adloom.toml.");
  } catch (error) {
    empty(error.message);
  }
}

async function show() {
  try {
    const { reading, sentences } = await get(`experiments/${encodeURIComponent($("experiment-name").value)}`);
    const others = Object.keys(reading.arms).filter((arm) => arm !== reading.control);
    const names = Object.keys(reading.metrics);
    const deciding = names.filter((name) => reading.metrics[name].role === "decision");
    $("experiment").replaceChildren(
      verdict(reading, sentences), card(`Variants, against ${reading.control}`, arms(reading)),
      ...(names.length ? [card("Metrics: of users, by the arm of their first ad, once their window is over", metrics(reading))] : []),
      ...others.map((arm) => card(`${arm}: lift by day, with its interval`, liftChart(reading.by_day, arm, (day) => day.so_far[arm]))),
      ...deciding.flatMap((name) => others.map((arm) =>
        card(`${arm}: ${name} by day, with its interval`, liftChart(reading.by_day, `${arm} in ${name}`, (day) => day.metrics[name][arm])))),
      ...(reading.segments.length ? [card("Parts of the shop, held against each other", parts(reading, others))] : []),
      ...(reading.segments.length && names.length ? [card("Metrics of these parts, held against each other and against the clicks", metricParts(reading, others))] : []));
  } catch (error) {
    empty(error.message);
  }
}

const empty = (text) => $("experiment").replaceChildren(el("p", { class: "empty" }, text));
const card = (title, content) => el("article", { class: "card scroll" }, el("h3", {}, title), content);
const percent = (value) => (value == null ? "" : `${(100 * value).toFixed(2)} %`);
const signed = (value) => (value == null ? "no bound" : `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)} %`);
const span = (low, high) => `${signed(low)} to ${high > 10 ? "no bound" : signed(high)}`;
const count = (value) => value.toLocaleString();

const ONE_LOOK = () => term("95 %, one look", "95 % interval, for who looks at it only once");
const ALWAYS = () => term("However often you look", "Always-valid interval: the verdict goes by it");
const MANY = () => term("q, of all parts", "Chance of a false find when all parts are held against each other (Benjamini-Hochberg); found below 0.05");
const VARIANT = () => term("Variant", "Arm of the experiment");

function verdict(reading, sentences) {
  const told = [...reading.warnings.map((text) => el("li", { class: "bad" }, text)), ...sentences.map((text) => el("li", {}, text))];
  const lifts = Object.entries(reading.arms).filter(([arm, { lift }]) => arm !== reading.control && lift != null).map(([arm, found]) =>
    el("li", {}, el("strong", {}, `${arm}: ${signed(found.lift)} clicks `), `(${span(found.lift_always_valid_low, found.lift_always_valid_high)}, however often you look)`));
  const split = el("p", { id: "split", class: reading.verdict === "bad_split" ? "bad" : false }, term("Division of shoppers", "Test for a sample ratio mismatch (SRM): whether the variants got the shares that they should have"), `: ${reading.split_sentence}`);
  return el("article", { class: `card verdict ${reading.verdict}` },
    el("h3", {}, `${reading.experiment}: `, verdictWord(reading.verdict, reading.winner)), el("p", {}, reading.reason),
    ...(lifts.length ? [el("ul", { id: "lifts", class: "told" }, ...lifts)] : []), split, el("ul", {}, ...told));
}

function arms(reading) {
  const rows = Object.entries(reading.arms).map(([name, arm]) => {
    const adjusted = reading.adjusted?.[name]?.figures.lift;
    const lift = name === reading.control ? ["the control", "", "", ""]
      : arm.lift == null ? ["no clicks to compare yet", "", "", ""]
      : [signed(arm.lift), span(arm.lift_low, arm.lift_high), span(arm.lift_always_valid_low, arm.lift_always_valid_high), adjusted == null ? "" : signed(adjusted)];
    return [name, count(arm.users), count(arm.impressions), count(arm.clicks), arm.impressions ? percent(arm.ctr) : "no window is over", Object.values(arm.shown).map((share) => `${Math.round(100 * share)} %`).join(" / "), ...lift];
  });
  return table([VARIANT(), "Users", "Ads", "Clicks", "Rate", term("Drawn / pool / shop", "Ads drawn for the shopper, before for another, or the shop's own"), "Lift", ONE_LOOK(), ALWAYS(), term("Adjusted by the time before", "CUPED: by what users did in the four weeks before the start")], rows);
}

const MARKS = { better: "good", not_worse: "good", held: "good", worse: "bad", broken: "bad" };
const amount = (value, kind) => (value == null ? "not known" : kind === "click_through_rate" ? percent(value) : value.toLocaleString(undefined, { maximumSignificantDigits: 4 }));

function metrics(reading) {
  const rows = Object.entries(reading.metrics).flatMap(([name, metric]) => Object.entries(metric.arms).map(([arm, told]) => {
    const lift = arm === reading.control ? ["the control", "", ""]
      : told.change == null ? ["nothing to compare yet", "", ""]
      : [signed(told.change), span(told.change_low, told.change_high), span(told.change_always_valid_low, told.change_always_valid_high)];
    const state = arm === reading.control ? "" : el("span", { class: MARKS[told.verdict] }, told.verdict.replaceAll("_", " "));
    return [name, metric.role, arm, count(told.users), amount(told.value, metric.kind), ...lift, state];
  }));
  const told = Object.values(reading.metrics).map((metric) => el("li", {}, metric.sentence));
  return el("div", { id: "metrics" }, el("ul", { class: "told" }, ...told),
    table(["Metric", term("Role", "decision: the verdict goes by it; guardrail: it must not get worse"), VARIANT(), "Users", "Value", "Lift", ONE_LOOK(), ALWAYS(), "Verdict of the metric"], rows));
}

function metricParts(reading, others) {
  const all = reading.segments.flatMap((part) => Object.entries(part.metrics).flatMap(([name, of]) => others.map((arm) => {
    const [found, q] = [of[arm], part.metric_q_values[name][arm]];
    return q == null ? null : [`${part.kind}: ${part.name}`, name, arm, count(found.users), amount(found.value, reading.metrics[name].kind), signed(found.lift), span(found.low, found.high), q.toFixed(3)];
  })));
  return compared(["Part", "Metric", VARIANT(), "Users", "Value", "Lift", ONE_LOOK(), MANY()], all, "too few users to test");
}

function parts(reading, others) {
  const all = reading.segments.flatMap((part) => others.map((arm) => {
    const found = part.arms[arm];
    return found.lift == null ? null : [`${part.kind}: ${part.name}`, arm, count(found.ads), percent(found.rate), signed(found.lift), span(found.low, found.high), (part.q_values[arm] ?? 1).toFixed(3)];
  }));
  return compared(["Part", VARIANT(), "Ads", "Rate", "Lift", ONE_LOOK(), MANY()], all, "no clicks to compare yet");
}

/** A table of the rows that have something to say, and how many have not. */
function compared(heads, all, why) {
  const [rows, left] = [all.filter(Boolean), all.filter((row) => !row).length];
  return el("div", {}, ...(rows.length ? [table(heads, rows)] : []),
    ...(left ? [el("p", { class: "empty" }, `${rows.length ? `${left} more` : left} ${left === 1 ? "has" : "have"} ${why}.`)] : []));
}

function table(heads, rows) {
  return el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell) => el("td", {}, cell))))));
}
