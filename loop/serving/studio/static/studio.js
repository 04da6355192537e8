// The page: choose, draw, see why. Products, reasons and the loop have files of their own.

import { get, onKey, post, send } from "./api.js";
import { $, el, tell } from "./dom.js";
import { watchExperiments } from "./experiments.js";
import { listenToGallery, loadGallery } from "./gallery.js";
import { watchLoop } from "./loop.js";
import { addUpload, chosenProduct, followProducts, listenToProducts, loadProducts } from "./products.js";
import { showReasons } from "./reasons.js";
import { listenToWords } from "./banned-words.js";
import { loadShelves } from "./shelves.js";
import { listenToTips, term } from "./tips.js";
import { badge } from "./words.js";

async function showShoppers() {
  const known = await get(`shoppers?search=${encodeURIComponent($("shopper").value)}`);
  $("shoppers").replaceChildren(
    ...known.map((one) => el("option", { value: one.user_id }, `${one.clicks} clicks`)),
  );
  const match = known.length === 1 ? "1 shopper with clicks matches." : `${known.length} shoppers with clicks match.`;
  const hint = known.length ? match : "Nobody who clicked in the last 30 days matches. An id with older clicks is drawn after these, any other without a history.";
  $("shopper-hint").textContent = known.length || $("shopper").value ? hint : "No shoppers yet. Send clicks to /v1/events, or type any id: its ad is drawn without a history.";
  return known;
}

async function draw() {
  const user_id = $("shopper").value.trim();
  const product = chosenProduct();
  if (!user_id) return tell(new Error("Shopper: choose one or type an id."));
  if (!product) return tell(new Error("Product: choose one or upload a picture."));
  tell(null);
  const subject = { user_id, product_id: product.product_id };
  const seed = $("seed").value === "" ? null : Number($("seed").value);
  $("draw").disabled = true;
  $("draw").textContent = "Drawing…";
  $("ad-cards").replaceChildren(...[1, 2].map(() => el("article", { class: "card ad", "aria-busy": "true" }, el("div", { class: "wait" }), el("div", {}, "Drawing…"))));
  try {
    const [reasons, ads] = await Promise.all([post("reasons", subject), post("ads", { ...subject, seed })]);
    $("ad-cards").replaceChildren(...ads.map((ad) => card(ad, product)));
    showReasons(reasons, product);
  } catch (error) {
    $("ad-cards").replaceChildren(el("p", { class: "empty" }, "Nothing was drawn."));
    tell(error);
  } finally {
    $("draw").disabled = false;
    $("draw").textContent = "Draw";
  }
}

function card(ad, product) {
  return el("article", { class: "card ad", "data-variant": ad.variants[0] },
    el("img", { src: ad.picture_url, alt: `Ad: ${ad.title}` }),
    el("div", {},
      el("div", { class: "badges" }, ...ad.variants.map(badge)),
      el("h3", { dir: "auto", lang: product.language }, ad.title),
      el("p", { class: "facts" },
        el("span", {}, `version ${ad.version}`),
        el("span", {}, `${ad.seconds.toFixed(2)} s`),
        term(`variation ${ad.seed}`, "Seed: with the same number the same ad is drawn"),
        ad.personalised ? term("for this shopper", "Personalised: drawn after what the shopper clicked") : term("for anyone", "Nothing is known that the shopper clicked"))));
}

async function upload(event) {
  event.preventDefault();
  const query = new URLSearchParams({ name: $("upload-name").value, category: $("upload-category").value });
  for (const point of $("upload-points").value.split(",")) if (point.trim()) query.append("selling_points", point.trim());
  $("upload-button").disabled = true;
  try {
    addUpload(await send(`uploads?${query}`, $("picture").files[0]));
    tell(null);
  } catch (error) {
    tell(error);
  } finally {
    $("upload-button").disabled = false;
  }
}

async function begin() {
  $("draw").addEventListener("click", draw);
  $("upload").addEventListener("submit", upload);
  $("shopper").addEventListener("input", () => showShoppers().catch(tell));
  $("heat").addEventListener("change", () => $("why").classList.toggle("no-heat", !$("heat").checked));
  listenToTips();
  listenToProducts();
  listenToGallery();
  listenToWords();
  watchLoop((loop) => followProducts(loop.catalogue));
  watchExperiments();
  onKey(load);
  await load();
}

async function load() {
  try {
    await Promise.all([loadProducts(), loadShelves(), loadGallery()]);
    const known = await showShoppers();
    if (known.length && !$("shopper").value) $("shopper").value = known[0].user_id;
    tell(null);
  } catch (error) {
    tell(error);
  }
}

begin();
