// The products: searched by the server, loaded as one scrolls, followed when the shop changes them.

import { get } from "./api.js";
import { $, el, tell } from "./dom.js";
import { chosenShelf, listenToShelves, loadShelves } from "./shelves.js";

const PAUSE = 250; // of typing, in milliseconds
const ENOUGH = 24; // found, before a search waits until it is asked to go on
const LONGEST = 20; // requests that a search makes by itself

let loaded = [];
let uploaded = [];
let reached = "";
let more = false;
let chosen = null;
let asked = 0;
let revision = null;
let drawn = "";

export const chosenProduct = () => chosen;

export function listenToProducts() {
  let typing;
  const anew = () => {
    $("products").scrollTop = 0;
    loadProducts().catch(tell);
  };
  $("product-search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(anew, PAUSE);
  });
  listenToShelves(anew);
  $("more").addEventListener("click", () => loadMore().catch(tell));
  new IntersectionObserver(([seen]) => { if (seen.isIntersecting && !search()) loadMore().catch(tell); }, { root: $("products"), rootMargin: "160px" }).observe($("more"));
}

// What the loop tells of the catalogue: another revision means other products.
export async function followProducts({ products, revision: now, problem }) {
  $("catalogue-state").textContent = `${products.toLocaleString()} product${products === 1 ? "" : "s"}`;
  $("catalogue-problem").textContent = problem ? `The feed cannot be read: ${problem}` : "";
  $("catalogue-problem").hidden = !problem;
  const changed = revision !== null && revision !== now;
  revision = now;
  // A search that is not at its end would begin anew each time.
  if (changed) await Promise.all([loadShelves(), ...(search() && more ? [] : [loadProducts(loaded.length)])]);
}

export function addUpload(product) {
  uploaded = [product, ...uploaded];
  choose(product);
  $("products").scrollTop = 0;
}

export async function loadProducts(atLeast = 1) {
  await goOn({ found: [], at: "", goes: true }, search() ? ENOUGH : atLeast);
}

async function loadMore() {
  if (!more || $("more").disabled) return;
  await goOn({ found: loaded, at: reached, goes: more }, loaded.length + (search() ? ENOUGH : 1));
}

const search = () => $("product-search").value.trim();

/** Asks on from where the last page ended, until there are so many, or somebody asks anew. */
async function goOn({ found, at, goes }, enough) {
  const mine = ++asked;
  $("more").disabled = true;
  $("products").setAttribute("aria-busy", "true");
  try {
    for (let n = 0; goes && found.length < enough && n < LONGEST; n++) {
      const page = await get(`products?${new URLSearchParams({ search: search(), shelf: chosenShelf(), after: at })}`);
      if (mine !== asked) return;
      found = [...found, ...page.products];
      [at, goes] = [page.reached, page.more];
      if (n) show(found, goes, "Searching on…");
    }
    [loaded, reached, more] = [found, at, goes];
    const now = loaded.find((product) => product.product_id === chosen?.product_id);
    if (now) chosen = now;
    show();
  } finally {
    if (mine === asked) {
      $("more").disabled = false;
      $("products").removeAttribute("aria-busy");
    }
  }
}

function show(found = loaded, goes = more, label = search() ? "Search on" : "More products") {
  const categories = [...new Set(found.map((product) => product.category))].filter(Boolean);
  $("category-names").replaceChildren(...categories.map((name) => el("option", { value: name })));
  const shown = [...(search() || chosenShelf() ? [] : uploaded), ...found];
  const state = JSON.stringify([shown, goes, label, search(), chosenShelf(), chosen]);
  if (state === drawn) return;
  drawn = state;
  $("products").replaceChildren(...shown.map(tile), ...(shown.length ? [] : [nothing(goes)]), $("more"));
  $("more").textContent = label;
  $("more").hidden = !goes;
  showChosen();
}

function tile(product) {
  return el("button", { type: "button", "data-product": product.product_id, "aria-pressed": `${product.product_id === chosen?.product_id}`, title: `${product.name} (${product.product_id})`, onclick: () => choose(product) },
    el("img", { src: product.picture_url, alt: "", loading: "lazy", width: 66, height: 66 }),
    el("span", { class: "name", dir: "auto", lang: product.language }, product.name));
}

function nothing(goes) {
  if (goes) return el("p", { class: "empty" }, "Nothing yet, and not all products were looked through.");
  if (search()) return el("p", { class: "empty" }, `No product ${chosenShelf() ? "of this category " : ""}has this in its id, name or category.`);
  if (chosenShelf()) return el("p", { class: "empty" }, "This category has no products any more.");
  return el("p", { class: "empty", id: "no-products" }, "The shop has no products yet. ", el("code", {}, "adloom catalog import feed.csv"), " takes in a feed, ", el("code", {}, "POST /v1/products"), " single ones; they show up here by themselves. Or upload a picture below.");
}

function choose(product) {
  chosen = product;
  const tiles = [...$("products").querySelectorAll("[data-product]")];
  for (const one of tiles) one.setAttribute("aria-pressed", `${one.dataset.product === product.product_id}`);
  if (!tiles.some((one) => one.dataset.product === product.product_id)) show();
  showChosen();
}

function showChosen() {
  $("picked").hidden = !chosen;
  if (!chosen) return;
  const points = chosen.selling_points.map((point) => el("li", { dir: "auto" }, point));
  $("picked").replaceChildren(
    el("img", { src: chosen.picture_url, alt: "" }),
    el("div", { lang: chosen.language },
      el("strong", { dir: "auto" }, chosen.name),
      el("p", { class: "soft", dir: "auto" }, [chosen.product_id, chosen.category, chosen.language].filter(Boolean).join(" · ")),
      ...(points.length ? [el("ul", { class: "points" }, ...points)] : []),
      ...chosen.notes.map((note) => el("p", { class: "note", lang: "en" }, note))));
}
