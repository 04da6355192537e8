// The shop's categories as a tree; a level is asked for when somebody opens it.

import { get } from "./api.js";
import { $, el, tell } from "./dom.js";

const WIDE = "(min-width: 860px)";

let chosen = "";
const open = new Set();
let drawn = 0;
let act = () => {};

export const chosenShelf = () => chosen;

export function listenToShelves(choose) {
  act = choose;
  $("shelves-box").open = matchMedia(WIDE).matches;
  $("shelf-clear").addEventListener("click", () => pick(""));
}

/** The levels that are open, as the shop has them now. */
export async function loadShelves() {
  const mine = ++drawn;
  const top = await level("");
  if (mine !== drawn) return;
  const none = !top.childElementCount;
  $("shelves-box").hidden = none;
  $("browse").classList.toggle("flat", none);
  top.prepend(el("li", {}, el("div", { class: "shelf" }, pickButton("", "All products"))));
  // As it was: whoever stands on it with the keyboard stays there.
  if (top.innerHTML !== $("shelves").innerHTML) $("shelves").replaceChildren(...top.children);
  showChosen();
}

async function level(under) {
  const list = el("ul", {});
  await fill(list, under, "");
  return list;
}

async function fill(list, under, after) {
  const { shelves, more } = await get(`shelves?${new URLSearchParams({ under, after })}`);
  for (const shelf of shelves) list.append(await branch(shelf));
  if (more) list.append(moreButton(under, shelves.at(-1).path));
}

async function branch({ path, name, opens }) {
  const row = el("div", { class: "shelf" }, pickButton(path, name));
  const item = el("li", {}, row);
  if (!opens) return item;
  const twist = el("button", { type: "button", class: "twist", "aria-expanded": "false", "aria-label": `What is in ${name}`, onclick: () => turn().catch(tell) });
  row.prepend(twist);
  async function turn() {
    const opened = twist.getAttribute("aria-expanded") === "true";
    twist.setAttribute("aria-expanded", `${!opened}`);
    if (opened) {
      open.delete(path);
      item.lastElementChild.remove();
    } else {
      open.add(path);
      const inside = el("ul", {});
      item.append(inside);
      await fill(inside, path, "");
    }
  }
  if (open.has(path)) await turn();
  return item;
}

function moreButton(under, after) {
  const button = el("button", { type: "button", class: "plain small", onclick: async () => {
    button.disabled = true;
    try {
      const list = button.closest("ul");
      await fill(list, under, after);
      button.parentElement.remove();
    } catch (error) {
      button.disabled = false;
      tell(error);
    }
  } }, "More categories");
  return el("li", {}, button);
}

const pickButton = (path, name) =>
  el("button", { type: "button", class: "pick", "data-shelf": path, "aria-pressed": `${path === chosen}`, dir: "auto", title: path || name, onclick: () => pick(path) }, name);

function pick(path) {
  chosen = path;
  showChosen();
  act();
}

function showChosen() {
  for (const button of document.querySelectorAll("[data-shelf]")) button.setAttribute("aria-pressed", `${button.dataset.shelf === chosen}`);
  $("shelf-chosen").textContent = chosen;
  $("shelf-bar").hidden = !chosen;
}
