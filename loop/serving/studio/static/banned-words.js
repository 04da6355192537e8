// Words that no title may say: banned and allowed by people, beside those of the settings.

import { get, onKey, post } from "./api.js";
import { $, el, tell } from "./dom.js";
import { loadGallery, reviewer } from "./gallery.js";
import { decision, told } from "./review.js";
import { needing } from "./roles.js";

const SHOWN = 20; // of the history

export function listenToWords() {
  $("words").addEventListener("toggle", () => { if ($("words").open) load().catch(tell); });
  onKey(() => { if ($("words").open) load().catch(tell); });
  $("word-form").addEventListener("submit", (event) => {
    event.preventDefault();
    change($("word").value.trim(), $("word-language").value.trim(), true, $("word-why").value.trim());
  });
}

async function load() {
  const { words, history } = await get("/v1/words");
  $("word-list").replaceChildren(...(words.length ? words.map(item) : [el("li", { class: "soft" }, "None.")]));
  const lines = history.slice(0, SHOWN).map((one) => told(one, `${one.banned ? "banned" : "allowed"} “${one.word}”${where(one)}`));
  $("word-history").replaceChildren(...(lines.length ? lines : [el("li", { class: "soft" }, "Nobody has changed anything yet.")]));
}

const where = (one) => (one.language ? ` (${one.language})` : "");

function item(one) {
  const name = el("span", { dir: "auto" }, one.word);
  const language = el("span", { class: "soft" }, one.language || "all languages");
  if (one.of === "settings") return el("li", { title: "Set in the server's file ([titles] banned), and changed there" }, name, language);
  return el("li", { title: [one.by, one.why].filter(Boolean).join(": ") }, name, language,
    needing("review", el("button", { type: "button", class: "plain", "aria-label": `Allow ${one.word} again`, onclick: () => change(one.word, one.language, false, "") }, "Allow")));
}

async function change(word, language, banned, why) {
  try {
    const done = await post("/v1/words", { word, language, banned, ...decision(why, reviewer()) });
    const gone = done.ads_banned ? ` ${done.ads_banned} finished ad${done.ads_banned === 1 ? " said it and is" : "s said it and are"} banned.` : "";
    $("word-told").textContent = `“${word}” ${done.changed ? "is" : "was"} ${banned ? "banned" : "allowed"}${done.changed ? "" : " already"}.${gone}`;
    if (banned) $("word-form").reset();
    await Promise.all([load(), loadGallery()]);
    tell(null);
  } catch (error) {
    tell(error);
  }
}
