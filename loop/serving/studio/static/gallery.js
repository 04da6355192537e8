// The gallery: every ad with its state, what was said of it, and the buttons to decide.

import { get, post } from "./api.js";
import { $, el, tell } from "./dom.js";
import { decision, listenToReview, openReview } from "./review.js";
import { may, needing } from "./roles.js";

const STATES = { draft: "Waiting for review", approved: "May be shown", banned: "Banned" };
const REVIEWER = "adloom-reviewer";
const FILTERS = { state: "gallery-state", product_id: "gallery-product", version: "gallery-version", language: "gallery-language" };

const AT_ONCE = 20; // so that what follows on the page is not far below

let hung = [];
let next = null;
let asked = 0;

export const reviewer = () => $("reviewer").value.trim() || null;

export function listenToGallery() {
  $("reviewer").value = localStorage.getItem(REVIEWER) ?? "";
  $("reviewer").addEventListener("change", () => localStorage.setItem(REVIEWER, $("reviewer").value.trim()));
  $("gallery-filters").addEventListener("submit", (event) => { event.preventDefault(); load(); });
  for (const field of Object.values(FILTERS)) $(field).addEventListener("change", load);
  $("gallery-more").addEventListener("click", () => more().catch(tell));
  $("hung").addEventListener("keydown", onKeyDown);
  listenToReview(decide, (id) => opener(hung.findIndex((ad) => ad.ad_id === id))?.focus());
}

const load = () => loadGallery().then(() => tell(null), tell);

export async function loadGallery() {
  const mine = ++asked;
  const page = await get(address(""));
  if (mine !== asked) return;
  [hung, next] = [page.creatives, page.next];
  show();
}

async function more() {
  const mine = ++asked;
  $("gallery-more").disabled = true;
  try {
    const page = await get(address(next));
    if (mine !== asked) return;
    hung.push(...page.creatives);
    next = page.next;
    show();
  } finally {
    $("gallery-more").disabled = false;
  }
}

function address(after) {
  const query = new URLSearchParams({ limit: AT_ONCE, ...(after ? { after } : {}) });
  for (const [name, field] of Object.entries(FILTERS)) if ($(field).value.trim()) query.set(name, $(field).value.trim());
  return `/v1/creatives?${query}`;
}

function show() {
  $("hung").replaceChildren(...hung.map(frame));
  $("gallery-more").hidden = next === null;
  const filtered = Object.values(FILTERS).some((field) => $(field).value.trim());
  const none = filtered ? "No ad is like this." : "No ads yet: they hang here once some are drawn.";
  $("gallery-told").textContent = hung.length ? `${hung.length.toLocaleString()}${next === null ? "" : " or more"} ad${hung.length === 1 && next === null ? "" : "s"}` : next === null ? none : "None so far; there may be some further on.";
  const products = [...new Set(hung.map((ad) => ad.product_id))];
  $("gallery-products").replaceChildren(...products.map((id) => el("option", { value: id })));
}

function frame(ad) {
  const last = ad.reviews.at(-1);
  const why = ad.state !== "approved" && last?.why ? [el("p", { class: "why", dir: "auto", title: last.why }, last.why)] : [];
  const button = (name, act, more = {}) => needing("review", el("button", { type: "button", class: "plain", onclick: act, ...more }, name));
  return el("article", { class: "card framed", "data-ad": ad.ad_id, "data-state": ad.state },
    el("button", { type: "button", class: "open", "aria-label": `${stateOf(ad)}: ${ad.title}`, onclick: () => openReview(ad, stateOf(ad)) },
      el("img", { src: ad.picture_url, alt: "", loading: "lazy", width: 512, height: 512 })),
    el("div", {},
      el("span", { class: `badge ${ad.state}` }, stateOf(ad)),
      el("p", { class: "caption", dir: "auto", lang: ad.language || false }, ad.title),
      ...why,
      el("div", { class: "choices" },
        ...(ad.state === "approved" ? [] : [button("Approve", () => quick(ad), { "aria-label": `Approve: ${ad.title}` })]),
        ...(ad.state === "banned" ? [] : [button("Ban…", () => openReview(ad, stateOf(ad), true), { "aria-label": `Ban: ${ad.title}` })]))));
}

const stateOf = (ad) => STATES[ad.state];
const quick = (ad) => decide(ad, "approve", "").then(() => tell(null), tell);

/** Approve or ban, and hang the ad anew; what the server refuses is thrown. */
async function decide(ad, deed, why) {
  const now = await post(`/v1/creatives/${encodeURIComponent(ad.ad_id)}/${deed}`, decision(why, reviewer()));
  const place = hung.findIndex((one) => one.ad_id === ad.ad_id);
  if (place < 0) return;
  hung[place] = now;
  const old = $("hung").children[place];
  const focused = old.contains(document.activeElement);
  old.replaceWith(frame(now));
  if (focused) opener(place).focus();
  $("gallery-told").textContent = `“${now.title}”: ${stateOf(now)}.`;
}

const opener = (place) => $("hung").children[place]?.querySelector(".open");

function onKeyDown(event) {
  const place = [...$("hung").children].findIndex((one) => one.contains(event.target));
  if (place < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const across = getComputedStyle($("hung")).gridTemplateColumns.split(" ").length;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across };
  const ad = hung[place];
  if (event.key in steps) opener(place + steps[event.key])?.focus();
  else if (!may("review")) return;
  else if (event.key.toLowerCase() === "a" && ad.state !== "approved") quick(ad);
  else if (event.key.toLowerCase() === "b" && ad.state !== "banned") openReview(ad, stateOf(ad), true);
  else return;
  event.preventDefault();
}
