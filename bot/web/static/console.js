// Keeps the work list fresh and lets the keyboard move through it; all pages work without.
"use strict";
const fresh = () => document.getElementById("fresh");
const opened = document.getElementById("case");

async function refresh() {
  const answer = await fetch(location.href, { headers: { "X-Part": "1" } });
  if (answer.redirected) { location.reload(); return; }
  if (!answer.ok) return;
  const part = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("fresh");
  const list = fresh();
  const focused = document.activeElement;
  const isTyping = focused && focused.closest && focused.closest(".filters");
  const on = focused && focused.dataset ? focused.dataset.case : null;
  for (const name of [".counts", ".cases", ".pages", ".empty"]) {
    const mine = list.querySelector(name), theirs = part.querySelector(name);
    if (mine && theirs) mine.replaceWith(theirs);
    else if (mine) mine.remove();
    else if (theirs) list.append(theirs);
  }
  list.dataset.since = part.dataset.since;
  if (on && !isTyping) {
    const same = list.querySelector(`[data-case="${on}"]`);
    if (same) same.focus();
  }
}

// A case that is being answered is never changed under the writer's hands: a line says that it is stale.
async function look() {
  const answer = await fetch(location.pathname);
  if (answer.redirected) { location.reload(); return; }
  if (!answer.ok) return;
  const now = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("case");
  if (now && now.dataset.state !== opened.dataset.state) document.getElementById("stale").hidden = false;
}

const watched = fresh() || opened;
if (watched) {
  const stream = new EventSource(`/staff/events?since=${watched.dataset.since}`);
  stream.addEventListener("news", fresh() ? refresh : look);
  window.addEventListener("pagehide", () => stream.close());
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const links = [...document.querySelectorAll(".cases a")];
  const at = links.indexOf(document.activeElement);
  if (event.key === "j" && links.length) links[Math.min(at + 1, links.length - 1)].focus();
  else if (event.key === "k" && links.length) links[Math.max(at - 1, 0)].focus();
  else if (event.key === "/" && document.getElementById("search")) { event.preventDefault(); document.getElementById("search").focus(); }
  else if (event.key === "u" && opened) location.href = "/staff/cases";
});
