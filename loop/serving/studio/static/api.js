// Talks to the server; what goes wrong becomes an Error that says so in words.

const KEY = "adloom-key";
const keyField = document.getElementById("key");
keyField.value = sessionStorage.getItem(KEY) ?? "";
keyField.addEventListener("input", () => sessionStorage.setItem(KEY, keyField.value));

export const onKey = (act) => keyField.addEventListener("change", act);

/** Looks now, whenever the key is another, and every so many milliseconds while the page is seen. */
export function watch(refresh, every) {
  onKey(refresh);
  (async function look() {
    if (!document.hidden) await refresh();
    setTimeout(look, every);
  })();
}

export const get = (path) => ask(path, {});

export const post = (path, body = {}) =>
  ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

export const send = (path, file) =>
  ask(path, { method: "POST", headers: { "content-type": file.type || "application/octet-stream" }, body: file });

async function ask(path, options) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(key ? { "x-api-key": key } : {}) };
  let answer;
  try {
    // What begins with a stroke is of the API that everybody uses.
    const place = path.startsWith("/") ? `../..${path}` : `../api/${path}`;
    answer = await fetch(new URL(place, import.meta.url), { ...options, headers });
  } catch {
    throw new Error("The server does not answer. Is adloom serve still running?");
  }
  const content = await answer.json().catch(() => ({}));
  if (answer.status === 401) document.getElementById("key-row").hidden = false;
  if (!answer.ok) throw Object.assign(new Error(inWords(content.detail) ?? `The server answered ${answer.status}.`), { status: answer.status });
  return content;
}

function inWords(detail) {
  if (!Array.isArray(detail)) return detail;
  return detail.map((problem) => `${problem.loc.at(-1)}: ${problem.msg}`).join("; ");
}
