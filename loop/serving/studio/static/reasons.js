// Why an ad looks as it does: what was clicked, what was chosen of it, what the model used.

import { $, el } from "./dom.js";
import { blurred } from "./blur.js";

export function showReasons({ trend, clicks, all_clicks, version }, product) {
  const ranked = clicks.filter((click) => click.rank).length;
  const alone = clicks.some((click) => !click.ad_id) ? " Where no ad is known, the product itself stands for the click." : "";
  $("why-text").textContent = clicks.length
    ? `${all_clicks} click${all_clicks === 1 ? "" : "s"}, oldest first. The ${ranked} numbered ones represent them for this product; champion version ${version} used the parts that are sharp, and the marked words.${alone}`
    : "Nothing is known of this shopper's taste in ads, so the ad is drawn for the product " + (trend.length ? "and the trend." : "alone.");
  $("history").replaceChildren(...clicks.map(past));
  const sold = product.category || "products like it";
  $("trend-text").textContent = `Version ${version} has learnt that a new look is in: before the shopper's own clicks it reads these ads, which everybody clicks for ${sold} of late.`;
  $("trend").replaceChildren(...trend.map((ad) => readAd(ad, ad.title, "chosen")));
  $("trend-block").hidden = !trend.length;
}

function past(click) {
  const about = `${click.ad_id ? "" : "The product itself: "}${click.title} (${new Date(click.clicked_at).toLocaleString()})`;
  const item = readAd(click, about, click.rank ? "chosen" : "");
  if (click.rank) item.firstChild.append(el("b", { title: `representative ${click.rank}` }, `${click.rank}`));
  if (!click.ad_id) {
    item.setAttribute("data-stands", "product");
    item.firstChild.append(el("i", {}, "product"));
  }
  return item;
}

function readAd(ad, about, kind) {
  const frame = el("div", { class: "frame" }, el("img", { src: ad.picture_url, alt: ad.title, loading: "lazy" }));
  if (ad.seen) frame.append(blurred(ad.picture_url, ad.seen.kept, { whole: !ad.ad_id }));
  const words = ad.seen?.words.map((word) => (word.kept ? el("mark", {}, word.text) : word.text)) ?? [ad.title];
  return el("li", { class: kind, title: about, tabindex: "0" }, frame, el("span", { class: "caption", dir: "auto" }, ...words));
}
