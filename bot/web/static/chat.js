// Makes the page smoother; without it everything works by plain form posts.
"use strict";
const ask = document.getElementById("ask");
const text = document.getElementById("text");
let stream = null;

const conversation = () => document.getElementById("conversation");

// Only what changed is put in: a screen reader then reads only what is new.
function show(page) {
  const fresh = new DOMParser().parseFromString(page, "text/html").getElementById("conversation");
  if (!fresh) return;
  const log = document.getElementById("log");
  const old = new Map([...log.children].map((item) => [item.id, item]));
  let grown = false;
  let before = null;
  for (const item of [...fresh.querySelectorAll("#log > li")]) {
    const there = old.get(item.id);
    old.delete(item.id);
    if (there && there.innerHTML === item.innerHTML) { before = there; continue; }
    const mine = document.importNode(item, true);
    if (there) there.replaceWith(mine);
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

async function send(form, button) {
  const body = new URLSearchParams(new FormData(form));
  if (button && button.name) body.set(button.name, button.value);
  body.set("key", crypto.getRandomValues(new Uint32Array(4)).join("").slice(0, 32));
  const action = (button && button.getAttribute("formaction")) || form.getAttribute("action");
  const answer = await fetch(action, { method: "POST", body, headers: { "X-Part": "1" } });
  show(await answer.text());
  return answer.ok;
}

document.addEventListener("submit", async (event) => {
  const form = event.target, button = event.submitter;
  if (form !== ask && form.id !== "conversation") return;
  event.preventDefault();
  if (form.dataset.busy) return;
  form.dataset.busy = "1";
  form.classList.add("busy");
  if (button) button.setAttribute("aria-busy", "true");
  try {
    if (await send(form, button) && form === ask) { text.value = ""; grow(); }
    listen();
  } catch {
    tellOffline();
  } finally {
    delete form.dataset.busy;
    form.classList.remove("busy");
    if (button) button.removeAttribute("aria-busy");
    if (form === ask) text.focus();
  }
});

function tellOffline() {
  const told = document.createElement("p");
  told.className = "told";
  told.setAttribute("role", "alert");
  told.textContent = document.documentElement.lang === "zh-Hant" ? "網絡不通，您寫的還在，請再發一次。" : "网络不通，您写的还在，请再发一次。";
  conversation().querySelectorAll(".told").forEach((old) => old.remove());
  conversation().append(told);
}

text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask.requestSubmit(ask.querySelector(".send"));
});

function grow() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}
text.addEventListener("input", grow);

async function look() {
  const answer = await fetch("/log");
  if (answer.ok) show(await answer.text());
}

function listen() {
  if (stream && stream.readyState !== EventSource.CLOSED) return;
  if (document.querySelectorAll("#log > li").length < 2) return;
  stream = new EventSource(`/events?since=${conversation().dataset.since}`);
  stream.addEventListener("news", look);
}
listen();
window.addEventListener("pagehide", () => { if (stream) stream.close(); stream = null; });
window.addEventListener("pageshow", (event) => { if (event.persisted) { look(); listen(); } });
if (document.getElementById("log").children.length > 1) window.scrollTo({ top: document.body.scrollHeight });
