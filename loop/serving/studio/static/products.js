// The products: searched by the server, loaded as one scrolls, followed when the shop changes them.

import { get } from "./api.js";
import { $, el, tell } from "./dom.js";

const PAUSE = 250; // of typing, in milliseconds
const FEW = 12; // categories; more of them are found by searching

let loaded = [];
let uploaded = [];
let more = false;
let category = null;
let chosen = null;
let asked = 0;
let revision = null;

export const chosenProduct = () => chosen;

export function listenToProducts() {
  let typing;
  $("product-search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => { category = null; loadProducts().catch(tell); }, PAUSE);
  });
  $("more").addEventListener("click", () => loadMore().catch(tell));
  new IntersectionObserver(([seen]) => { if (seen.isIntersecting) loadMore().catch(tell); }, { root: $("products"), rootMargin: "160px" }).observe($("more"));
}

// What the loop tells of the catalogue: another revision means other products.
export async function followProducts({ products, revision: now, problem }) {
  $("catalogue-state").textContent = `${products.toLocaleString()} product${products === 1 ? "" : "s"}`;
  $("catalogue-problem").textContent = problem ? `The feed cannot be read: ${problem}` : "";
  $("catalogue-problem").hidden = !problem;
  const changed = revision !== null && revision !== now;
  revision = now;
  if (changed) await loadProducts(loaded.length);
}

export function addUpload(product) {
  uploaded = [product, ...uploaded];
  category = null;
  choose(product);
  $("products").scrollTop = 0;
}

export async function loadProducts(atLeast = 1) {
  const mine = ++asked;
  const search = $("product-search").value.trim();
  const found = [];
  let page;
  do {
    page = await get(`products?${new URLSearchParams({ search, after: found.at(-1)?.product_id ?? "" })}`);
    if (mine !== asked) return;
    found.push(...page.products);
  } while (page.more && found.length < atLeast);
  [loaded, more] = [found, page.more];
  const now = loaded.find((product) => product.product_id === chosen?.product_id);
  if (now) chosen = now;
  show(search);
}

async function loadMore() {
  if (!more || $("more").disabled) return;
  $("more").disabled = true;
  const mine = ++asked;
  const search = $("product-search").value.trim();
  try {
    const page = await get(`products?${new URLSearchParams({ search, after: loaded.at(-1).product_id })}`);
    if (mine !== asked) return;
    loaded.push(...page.products);
    more = page.more;
    show(search);
  } finally {
    $("more").disabled = false;
  }
}

function show(search) {
  const categories = [...new Set(loaded.map((product) => product.category))].filter(Boolean);
  const few = categories.length > 1 && categories.length <= FEW;
  if (!few || !categories.includes(category)) category = null;
  $("categories").hidden = !few;
  $("categories").replaceChildren(...(few ? [null, ...categories] : []).map((name) => chip(name, search)));
  $("category-names").replaceChildren(...categories.map((name) => el("option", { value: name })));
  const shown = [...(search ? [] : uploaded), ...loaded].filter((product) => category === null || product.category === category);
  $("products").replaceChildren(...shown.map(tile), ...(shown.length ? [] : [nothing(search)]), $("more"));
  $("more").hidden = !more;
  showChosen();
}

const chip = (name, search) =>
  el("button", { type: "button", "aria-pressed": name === category, dir: "auto", title: name, onclick: () => { category = name; show(search); } }, name?.split(" > ").at(-1) ?? "All");

function tile(product) {
  return el("button", { type: "button", "data-product": product.product_id, "aria-pressed": product.product_id === chosen?.product_id, title: `${product.name} (${product.product_id})`, onclick: () => choose(product) },
    el("img", { src: product.picture_url, alt: "", loading: "lazy", width: 66, height: 66 }),
    el("span", { class: "name", dir: "auto", lang: product.language }, product.name));
}

function nothing(search) {
  if (search) return el("p", { class: "empty" }, "No product has this in its id, name or category.");
  return el("p", { class: "empty", id: "no-products" }, "The shop has no products yet. ", el("code", {}, "adloom catalog import feed.csv"), " takes in a feed, ", el("code", {}, "POST /v1/products"), " single ones; they show up here by themselves. Or upload a picture below.");
}

function choose(product) {
  chosen = product;
  show($("product-search").value.trim());
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
