// Makes the page smoother; without it everything works by plain form posts.
"use strict";
const ask = document.getElementById("ask");
const text = document.getElementById("text");
let stream = null;
let turn = Promise.resolve();
let unsent = {};

const conversation = () => document.getElementById("conversation");

// Only what changed is put in: a screen reader then reads only what is new.
function show(page) {
  const there = new DOMParser().parseFromString(page, "text/html");
  const fresh = there.getElementById("conversation");
  if (!fresh) {
    const ours = there.querySelector("main > h1"); // a proxy's page would be English
    tell(ours ? ours.textContent : offline());
    return;
  }
  const log = document.getElementById("log");
  const old = new Map([...log.children].map((item) => [item.id, item]));
  let grown = false;
  let before = null;
  for (const item of [...fresh.querySelectorAll("#log > li")]) {
    const mine = old.get(item.id) || document.importNode(item, true);
    if (old.delete(item.id)) renew(mine, item);
    else { log.insertBefore(mine, before ? before.nextSibling : log.firstChild); grown = true; }
    before = mine;
  }
  for (const gone of old.values()) gone.remove();
  conversation().querySelectorAll(".told").forEach((told) => told.remove());
  const told = fresh.querySelector(".told");
  if (told) { conversation().append(document.importNode(told, true)); grown = true; }
  conversation().dataset.since = fresh.dataset.since;
  if (grown) window.scrollTo({ top: document.body.scrollHeight });
}

// One after the other: an older view must not replace a newer one.
function inTurn(work) {
  const mine = turn.then(work);
  turn = mine.catch(() => {});
  return mine;
}

const within = (seconds) => (AbortSignal.timeout ? AbortSignal.timeout(seconds * 1000) : undefined);

// What was said stays the same element; mostly only the buttons below it change.
function renew(mine, item) {
  const was = [...mine.children], now = [...document.importNode(item, true).children];
  let same = 0;
  while (same < was.length && same < now.length && was[same].isEqualNode(now[same])) same += 1;
  was.slice(same).forEach((child) => child.remove());
  mine.append(...now.slice(same));
}

async function send(form, button) {
  const body = new URLSearchParams(new FormData(form));
  if (button && button.name) body.set(button.name, button.value);
  body.delete("key");
  const action = (button && button.getAttribute("formaction")) || form.getAttribute("action");
  // What was sent and not heard of keeps its key: it may have arrived, and counts once.
  const what = `${action}?${body}`;
  if (unsent.what !== what) unsent = { what, key: crypto.getRandomValues(new Uint32Array(4)).join("").slice(0, 32) };
  body.set("key", unsent.key);
  const answer = await fetch(action, { method: "POST", body, headers: { "X-Part": "1" }, signal: within(30) });
  show(await answer.text());
  if (answer.ok) unsent = {};
  return answer.ok;
}

document.addEventListener("submit", async (event) => {
  const form = event.target, button = event.submitter;
  if ((form !== ask && form.id !== "conversation") || !("submitter" in event)) return;
  event.preventDefault();
  if (form.dataset.busy) return;
  form.dataset.busy = "1";
  form.classList.add("busy");
  if (button) button.setAttribute("aria-busy", "true");
  try {
    if (await inTurn(() => send(form, button)) && form === ask) { text.value = ""; grow(); }
    listen();
  } catch {
    tell(offline());
  } finally {
    delete form.dataset.busy;
    form.classList.remove("busy");
    if (button) button.removeAttribute("aria-busy");
    if (form === ask) text.focus();
  }
});

const offline = () => document.documentElement.lang === "zh-Hant" ? "網絡不通，您寫的還在，請再發一次。" : "网络不通，您写的还在，请再发一次。";

function tell(words) {
  const told = document.createElement("p");
  told.className = "told";
  told.setAttribute("role", "alert");
  told.textContent = words;
  conversation().querySelectorAll(".told").forEach((old) => old.remove());
  conversation().append(told);
}

text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || !ask.requestSubmit) return;
  event.preventDefault();
  ask.requestSubmit(ask.querySelector(".send"));
});

function grow() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}
text.addEventListener("input", grow);

async function look() {
  try {
    await inTurn(async () => {
      const answer = await fetch("/log", { signal: within(10) });
      if (!answer.ok) throw new Error(answer.status);
      show(await answer.text());
    });
  } catch {
    setTimeout(look, 5000);
  }
}

function listen() {
  if (stream && stream.readyState !== EventSource.CLOSED) return;
  if (document.querySelectorAll("#log > li").length < 2) return;
  const mine = stream = new EventSource(`/events?since=${conversation().dataset.since}`);
  mine.addEventListener("news", look);
  mine.addEventListener("error", () => {
    // A browser gives up for good where it is answered with an error, such as by a proxy while we restart.
    if (mine.readyState === EventSource.CLOSED) setTimeout(listen, 30000);
  });
}
listen();
window.addEventListener("pagehide", () => { if (stream) stream.close(); stream = null; });
window.addEventListener("pageshow", (event) => { if (event.persisted) { look(); listen(); } });
if (document.getElementById("log").children.length > 1) window.scrollTo({ top: document.body.scrollHeight });
