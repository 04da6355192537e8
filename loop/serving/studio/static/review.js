// One ad from near by: what was said of it, by whom, and what a person decides.

import { $, el } from "./dom.js";

const NOBODY = { inspection: "Automatic inspection", "word list": "Word list" };
const DEEDS = { draft: "left it for people to decide", approved: "approved it", banned: "banned it" };

let open = null;

/** What is sent of a decision. */
export const decision = (why, by) => ({ why, ...(by ? { by } : {}) });

export const when = (moment) => new Date(moment).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

/** ``decide`` does what a person wants; ``closed`` is told of which ad the dialog was. */
export function listenToReview(decide, closed) {
  const act = (deed) => async () => {
    const why = $("review-why").value.trim();
    if (deed === "ban" && !why) return refuse("Say why in a few words: people read it in the history.");
    try {
      await decide(open, deed, why);
      $("review").close();
    } catch (error) {
      refuse(error.message);
    }
  };
  $("review-approve").addEventListener("click", act("approve"));
  $("review-ban").addEventListener("click", act("ban"));
  $("review-close").addEventListener("click", () => $("review").close());
  $("review").addEventListener("close", () => closed(open.ad_id));
  $("review").querySelector("form").addEventListener("submit", (event) => event.preventDefault()); // Enter decides nothing
}

export function openReview(ad, state, toBan = false) {
  open = ad;
  $("review-picture").replaceChildren(el("img", { src: ad.picture_url, alt: `Ad: ${ad.title}` }));
  $("review-state").textContent = state;
  $("review-state").className = `badge ${ad.state}`;
  $("review-title").textContent = ad.title;
  $("review-title").lang = ad.language;
  const drawn = ad.variant === "shop" ? "the shop's own" : `drawn by ${ad.variant}, version ${ad.version}`;
  const facts = [ad.product_id, drawn, when(ad.served_at), ad.language];
  $("review-facts").replaceChildren(...facts.filter(Boolean).map((fact) => el("span", { dir: "auto" }, fact)));
  const said = ad.reviews.map((one) => told(one, DEEDS[one.state])).reverse();
  $("review-history").replaceChildren(...(said.length ? said : [el("li", { class: "soft" }, "Nothing yet: inspection found nothing wrong, and nobody has decided.")]));
  $("review-why").value = "";
  refuse(null);
  $("review-approve").hidden = ad.state === "approved";
  $("review-ban").hidden = ad.state === "banned";
  $("review").showModal();
  (toBan ? $("review-why") : $("review-close")).focus();
}

/** A line of a history: when, who, what, and why. */
export const told = (one, deed) =>
  el("li", {},
    el("span", { class: "soft" }, `${when(one.at)} · `),
    el("strong", { dir: "auto" }, NOBODY[one.by] ?? one.by), ` ${deed}`,
    ...(one.why ? [el("p", { dir: "auto" }, one.why)] : []));

function refuse(why) {
  $("review-told").textContent = why ?? "";
  $("review-told").hidden = !why;
}
