// The page: choose, draw, see why. The loop's own part is in loop.js.

import { get, onKey, post, send } from "./api.js";
import { $, el, svg, tell } from "./dom.js";
import { watchLoop } from "./loop.js";

let products = [];
let category = null;
let chosen = null;

function showProducts() {
  const names = [...new Set(products.map((product) => product.category))];
  category ??= names[0];
  $("categories").replaceChildren(
    ...names.map((name) =>
      el("button", { type: "button", "aria-pressed": name === category, onclick: () => { category = name; showProducts(); } }, name)),
  );
  $("products").replaceChildren(
    ...products.filter((product) => product.category === category).map((product) =>
      el("button", { type: "button", "data-product": product.product_id, "aria-pressed": product === chosen, onclick: () => choose(product) },
        el("img", { src: product.cutout_url, alt: "", loading: "lazy" }), product.name)),
  );
}

function choose(product) {
  chosen = product;
  category = product.category;
  $("picked").textContent = product.name;
  showProducts();
}

async function showShoppers() {
  const known = await get(`shoppers?search=${encodeURIComponent($("shopper").value)}`);
  $("shoppers").replaceChildren(
    ...known.map((one) => el("option", { value: one.user_id }, `${one.clicks} clicks`)),
  );
  const hint = known.length ? `${known.length} shoppers with clicks match.` : "Nobody with clicks matches: such an id gets an ad without a history.";
  $("shopper-hint").textContent = known.length || $("shopper").value ? hint : "No shoppers yet. Send clicks to /v1/events, or type any id: its ad is drawn without a history.";
  return known;
}

async function draw() {
  const user_id = $("shopper").value.trim();
  if (!user_id) return tell(new Error("Shopper: choose one or type an id."));
  if (!chosen) return tell(new Error("Product: choose one or upload a cutout."));
  tell(null);
  const { product_id, category: sold } = chosen;
  const subject = { user_id, product_id };
  const seed = $("seed").value === "" ? null : Number($("seed").value);
  $("draw").disabled = true;
  $("draw").textContent = "Drawing…";
  $("ad-cards").replaceChildren(...[1, 2].map(() => el("article", { class: "card ad", "aria-busy": "true" }, el("div", { class: "wait" }), el("div", {}, "Drawing…"))));
  try {
    const [reasons, ads] = await Promise.all([post("reasons", subject), post("ads", { ...subject, seed })]);
    $("ad-cards").replaceChildren(...ads.map(card));
    showReasons(reasons, sold);
  } catch (error) {
    $("ad-cards").replaceChildren(el("p", { class: "empty" }, "Nothing was drawn."));
    tell(error);
  } finally {
    $("draw").disabled = false;
    $("draw").textContent = "Draw";
  }
}

function card(ad) {
  return el("article", { class: "card ad", "data-variant": ad.variant },
    el("img", { src: ad.picture_url, alt: `Ad: ${ad.title}` }),
    el("div", {},
      el("span", { class: "badge" }, ad.variant),
      el("h3", {}, ad.title),
      el("p", { class: "facts" },
        el("span", {}, `version ${ad.version}`),
        el("span", {}, `${ad.seconds.toFixed(2)} s`),
        el("span", {}, `seed ${ad.seed}`),
        el("span", {}, ad.personalised ? "personalised" : "no history"))));
}

function showReasons({ trend, clicks, all_clicks, version }, sold) {
  const ranked = clicks.filter((click) => click.rank).length;
  $("why-text").textContent = clicks.length
    ? `${all_clicks} clicks, oldest first. The ${ranked} numbered ads represent them for this product; champion version ${version} kept the parts that are not dimmed, and the marked words.`
    : "Nothing is known of this shopper's taste in ads, so the ad is drawn for the product " + (trend.length ? "and the trend." : "alone.");
  $("history").replaceChildren(...clicks.map(past));
  $("trend-text").textContent = `Version ${version} has learnt that a new look is in: before the shopper's own clicks it reads these ads, which everybody clicks for ${sold} of late.`;
  $("trend").replaceChildren(...trend.map((ad) => readAd(ad, ad.title, "chosen")));
  $("trend-block").hidden = !trend.length;
}

function past(click) {
  const about = `${click.title} (${new Date(click.clicked_at).toLocaleString()})`;
  const item = readAd(click, about, click.rank ? "chosen" : "");
  if (click.rank) item.firstChild.append(el("b", { title: `representative ${click.rank}` }, `${click.rank}`));
  return item;
}

function readAd(ad, about, kind) {
  const frame = el("div", { class: "frame" }, el("img", { src: ad.picture_url, alt: ad.title, loading: "lazy" }));
  if (ad.seen) frame.append(heatMap(ad.seen));
  const words = ad.seen?.words.map((word) => (word.kept ? el("mark", {}, word.text) : word.text)) ?? [ad.title];
  return el("li", { class: kind, title: about, tabindex: "0" }, frame, el("span", {}, ...words));
}

function heatMap({ heat, kept }) {
  const cells = heat.flatMap((row, y) => row.map((score, x) =>
    svg("rect", { x, y, width: 1, height: 1, "fill-opacity": kept[y][x] ? 0 : (0.84 - 0.5 * score).toFixed(2) })));
  return svg("svg", { viewBox: `0 0 ${heat.length} ${heat.length}`, "shape-rendering": "crispEdges", "aria-hidden": "true" }, ...cells);
}

async function upload(event) {
  event.preventDefault();
  const query = new URLSearchParams({ name: $("upload-name").value, category: $("upload-category").value });
  for (const point of $("upload-points").value.split(",")) if (point.trim()) query.append("selling_points", point.trim());
  try {
    const product = await send(`uploads?${query}`, $("cutout").files[0]);
    products.unshift(product);
    choose(product);
    tell(null);
  } catch (error) {
    tell(error);
  }
}

async function begin() {
  $("draw").addEventListener("click", draw);
  $("upload").addEventListener("submit", upload);
  $("shopper").addEventListener("input", () => showShoppers().catch(tell));
  $("heat").addEventListener("change", () => $("why").classList.toggle("no-heat", !$("heat").checked));
  watchLoop();
  try {
    products = await get("products");
    $("upload-category").replaceChildren(...[...new Set(products.map((p) => p.category))].map((name) => el("option", {}, name)));
    showProducts();
  } catch (error) {
    tell(error);
  }
  onKey(firstShopper);
  await firstShopper();
}

async function firstShopper() {
  try {
    const known = await showShoppers();
    if (known.length && !$("shopper").value) $("shopper").value = known[0].user_id;
    tell(null);
  } catch (error) {
    tell(error);
  }
}

begin();
