// The technical word behind a plain one: told where a pointer or the keyboard stands on it, or a
// finger taps it. One box for all of them, kept within the window.

import { $, el } from "./dom.js";

const GAP = 8;

/** A word with a tip; in the page's own HTML it is written class="term" tabindex="0" data-tip="…". */
export const term = (word, tip, attributes = {}) => el("span", { class: "term", tabindex: "0", "data-tip": tip, ...attributes }, word);

export function listenToTips() {
  const at = (event) => event.target.closest?.("[data-tip]");
  for (const begins of ["pointerover", "focusin"]) document.addEventListener(begins, (event) => at(event) && show(at(event)));
  for (const ends of ["pointerout", "focusout"]) document.addEventListener(ends, (event) => at(event) && hide());
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  for (const moves of ["scroll", "resize"]) window.addEventListener(moves, place, { passive: true, capture: true });
}

function show(word) {
  hide();
  $("tip").textContent = word.dataset.tip;
  $("tip").hidden = false;
  word.setAttribute("aria-describedby", "tip");
  place();
}

function place() {
  const word = told();
  if (!word) return;
  const [at, size] = [word.getBoundingClientRect(), $("tip").getBoundingClientRect()];
  const right = document.documentElement.clientWidth - size.width - GAP;
  const below = at.bottom + GAP + size.height <= window.innerHeight;
  $("tip").style.left = `${Math.max(GAP, Math.min(right, at.left))}px`;
  $("tip").style.top = `${below ? at.bottom + GAP : Math.max(GAP, at.top - GAP - size.height)}px`;
}

const told = () => document.querySelector("[aria-describedby=tip]");

function hide() {
  $("tip").hidden = true;
  told()?.removeAttribute("aria-describedby");
}
