"""What is wrong with a page as a browser shows it: pictures out of shape, text beyond its box."""

from __future__ import annotations

from selenium import webdriver

from tests.loop.serving.in_chromium import errors

_FAULTS = """
const seen = (one) => one.getClientRects().length > 0;
const told = (one) => one.outerHTML.replace(/data:[^"']+/g, "data:").slice(0, 160);
const scrolls = (one) => {
  const style = getComputedStyle(one);
  return ["auto", "scroll"].includes(style.overflowX) && style.scrollbarWidth !== "none";
};
const withinScrolled = (one) => one && one !== document.body &&
  (scrolls(one) || withinScrolled(one.parentElement));
const faults = [];
for (const picture of document.images) {
  if (!seen(picture) || !picture.complete) continue;
  if (!picture.naturalWidth) { faults.push("not loaded: " + told(picture)); continue; }
  const style = getComputedStyle(picture);
  if (style.objectFit !== "fill") continue;
  const inner = (size, ...sides) =>
    sides.reduce((left, side) => left - parseFloat(style[side]), size);
  const width = inner(picture.clientWidth, "paddingLeft", "paddingRight");
  const height = inner(picture.clientHeight, "paddingTop", "paddingBottom");
  // A pixel that was rounded is none that was stretched.
  if (Math.abs(width - height * picture.naturalWidth / picture.naturalHeight) > 1.5)
    faults.push(`stretched to ${width} x ${height}: ` + told(picture));
}
for (const picture of document.querySelectorAll("svg image, svg"))
  if (picture.getAttribute("preserveAspectRatio") === "none")
    faults.push("stretched: " + told(picture));
const page = document.documentElement;
if (page.scrollWidth > page.clientWidth)
  faults.push(`the page is ${page.scrollWidth} wide where ${page.clientWidth} are seen`);
for (const box of document.querySelectorAll("body *")) {
  if (!seen(box) || !box.clientWidth || box.scrollWidth <= box.clientWidth + 1) continue;
  if (box.namespaceURI.endsWith("svg") || box.matches("input, select")) continue;
  if (withinScrolled(box)) continue;
  faults.push(`text is ${box.scrollWidth} wide in ${box.clientWidth}: ` + told(box));
}
for (const word of document.querySelectorAll("svg text")) {
  if (!seen(word) || !word.textContent.trim()) continue;
  const { left, right } = word.getBoundingClientRect();
  if (left < -1 || right > page.clientWidth + 1) faults.push("beyond the page: " + told(word));
}
return faults;
"""


def faults(browser: webdriver.Chrome) -> list[str]:
    """Every picture that is out of shape or missing, every text beyond its box, every error of
    the console; what scrolls, and shows that it does, may hold more than is seen."""
    found: list[str] = browser.execute_script(_FAULTS)
    return [*found, *(f"console: {message}" for message in errors(browser))]
