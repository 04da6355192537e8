// adloom: tells of the ads that a visitor saw (half of one, for a second) and clicked.
(() => {
  const tag = document.currentScript; // none within modules
  if (!tag?.dataset.key) throw new Error("adloom: a plain <script> tag is needed, with a publishable key as data-key");
  const { src, dataset: page } = tag;
  const to = `${new URL("events", src)}?${new URLSearchParams({ form: "adloom", key: page.key })}`;
  const ads = "[data-adloom-product]";
  const noted = { impressions: [], clicks: [] };
  const known = new WeakMap();
  const due = new WeakMap();
  let sending;

  function note(kind, { dataset: { adloomProduct: item_id, adloomAd, adloomUser } }) {
    const user_id = adloomUser || page.user;
    if (!user_id || !item_id) return;
    const event_id = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("");
    noted[kind].push({ event_id, ts: new Date().toISOString(), user_id, item_id, ad_id: adloomAd || null });
    sending ??= setTimeout(send, 1000);
  }

  function send() {
    clearTimeout(sending);
    sending = undefined;
    for (const kind of ["clicks", "impressions"]) {
      while (noted[kind].length) {
        const some = noted[kind].slice(0, 100);
        if (!navigator.sendBeacon(to, JSON.stringify({ [kind]: some }))) {
          sending = setTimeout(send, 5000); // the browser takes no more for now
          return;
        }
        noted[kind].splice(0, some.length);
      }
    }
  }

  const views = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      clearTimeout(due.get(target));
      if (isIntersecting) due.set(target, setTimeout(() => { views.unobserve(target); note("impressions", target); }, 1000));
    }
  }, { threshold: 0.5 });

  function look() {
    for (const ad of document.querySelectorAll(ads)) {
      const shown = `${ad.dataset.adloomProduct} ${ad.dataset.adloomAd}`;
      if (known.get(ad) === shown) continue;
      known.set(ad, shown);
      views.unobserve(ad);
      if (!("adloomCounted" in ad.dataset)) views.observe(ad); // its exposure is logged already
    }
  }

  function clicked({ target, button }) {
    const ad = button < 2 && target.closest?.(ads);
    if (!ad) return;
    note("clicks", ad);
    send(); // the page may be left now
  }

  new MutationObserver(look).observe(document, { childList: true, subtree: true, attributeFilter: ["data-adloom-product", "data-adloom-ad"] });
  look();
  addEventListener("click", clicked, true);
  addEventListener("auxclick", clicked, true);
  addEventListener("visibilitychange", () => document.hidden && send(), true);
  addEventListener("pagehide", send);
})();
