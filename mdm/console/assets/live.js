// Keeps a page up to date while it waits for a tablet: every five seconds, or as many as data-waits says, it asks for the page again and replaces what has
// changed. What a person types is never touched: while a field has their words or the focus, only the blocks marked
// with data-live are replaced.
"use strict";

const waiting = document.querySelector("[data-waits]");
const INTERVAL = Number(waiting?.dataset.waits || 5) * 1000;
const MAX_INTERVAL = 60000;
let wait = INTERVAL;

function isInUse() {
  const active = document.activeElement;
  if (active && active.matches("input, textarea, select")) return true;
  return [...document.querySelectorAll("main input:not([type=hidden]), main textarea, main select")].some((field) =>
    field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked
    : field.matches("select") ? [...field.options].some((option) => option.selected !== option.defaultSelected)
    : field.value !== field.defaultValue,
  );
}

function replaceBlocks(fresh) {
  for (const block of document.querySelectorAll("[data-live]")) {
    const newer = fresh.querySelector(`[data-live="${block.dataset.live}"]`);
    if (newer && newer.innerHTML !== block.innerHTML) block.innerHTML = newer.innerHTML;
  }
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = fresh.querySelector("main");
    if (!main || !fresh.querySelector("[data-live]")) return; // another page answers, such as the sign-in: this one stays as it is
    const isUsed = isInUse();
    if (isUsed) replaceBlocks(fresh);
    else if (main.innerHTML !== document.querySelector("main").innerHTML) document.querySelector("main").replaceChildren(...main.childNodes);
    wait = INTERVAL;
    if (!isUsed && !document.querySelector("[data-waits]")) return; // nothing is awaited any more
  } catch {
    wait = Math.min(wait * 2, MAX_INTERVAL);
  }
  setTimeout(refresh, wait);
}

if (waiting) setTimeout(refresh, wait);
