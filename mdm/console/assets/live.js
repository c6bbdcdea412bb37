// Keeps a page up to date while it waits for a tablet: every five seconds, or as many as data-waits says, it asks for the page again and replaces what has
// changed. What a person does is never touched: while a field has their words, the focus is on something that acts, or they have opened or
// closed a part of the page, only the blocks marked with data-live are replaced, and none that has the focus.
"use strict";

const waiting = document.querySelector("[data-waits]");
const INTERVAL = Number(waiting?.dataset.waits || 5) * 1000;
const MAX_INTERVAL = 60000;
const ACTING = "input, textarea, select, main a, main button, main summary";
const servedBlocks = new Map([...document.querySelectorAll("[data-live]")].map((block) => [block.dataset.live, block.innerHTML]));
let servedMain = document.querySelector("main").innerHTML;
let wait = INTERVAL;

function isInUse(fresh) {
  if (document.activeElement?.matches(ACTING)) return true;
  const parts = fresh.querySelectorAll("main details");
  if ([...document.querySelectorAll("main details")].some((part, index) => part.open !== parts[index]?.open)) return true;
  return [...document.querySelectorAll("main input:not([type=hidden]), main textarea, main select")].some((field) =>
    field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked
    : field.matches("select") ? [...field.options].some((option) => option.selected !== option.defaultSelected)
    : field.value !== field.defaultValue,
  );
}

function replaceBlocks(fresh) {
  for (const block of document.querySelectorAll("[data-live]")) {
    const newer = fresh.querySelector(`[data-live="${block.dataset.live}"]`);
    if (!newer || newer.innerHTML === servedBlocks.get(block.dataset.live) || block.contains(document.activeElement)) continue;
    block.innerHTML = newer.innerHTML;
    servedBlocks.set(block.dataset.live, newer.innerHTML);
    servedMain = ""; // what stands on the page is no answer of the server any more
  }
}

function replaceMain(main) {
  if (main.innerHTML === servedMain) return;
  servedMain = main.innerHTML;
  for (const block of main.querySelectorAll("[data-live]")) servedBlocks.set(block.dataset.live, block.innerHTML);
  document.querySelector("main").replaceChildren(...main.childNodes);
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = fresh.querySelector("main");
    if (!main || !fresh.querySelector("[data-live]")) return; // another page answers, such as the sign-in: this one stays as it is
    const isUsed = isInUse(fresh);
    if (isUsed) replaceBlocks(fresh);
    else replaceMain(main);
    wait = INTERVAL;
    if (!isUsed && !document.querySelector("[data-waits]")) return; // nothing is awaited any more
  } catch {
    wait = Math.min(wait * 2, MAX_INTERVAL);
  }
  setTimeout(refresh, wait);
}

if (waiting) setTimeout(refresh, wait);
