// The scanner form of a desk page: the scan goes into the queue at once, the field is free for the next, the result is shown.
import { Queue } from "./desk-queue.js";
import { handover } from "./desk-handover.js";

const desk = document.getElementById("desk");
const form = document.getElementById("scan-form");
const texts = JSON.parse(desk.dataset.texts);
const { account, act, town } = desk.dataset;
const queue = new Queue(account, form.elements.csrf.value);
const scan = document.getElementById("scan");
const table = act === "handover" ? handover({ form, texts, queue, show, focus, log }) : null;
let shown = ""; // the request whose outcome the big result is about

form.classList.add("scripted");
form.noValidate = true;
remember();

// A scan is tags, serial numbers, or the address in a label's code; the output of a wrong keyboard layout is recognised.
export function readScan(text) {
  const clean = text.replace(/[\u0000-\u001f\u007f\u200e\u200f\ufeff]/g, "").trim();
  if (/^[A-Za-z0-9:/._-]{2,200}$/.test(clean)) return { scan: clean };
  return { problem: /[&é"'(§è!çà)]/.test(clean) && !/\s/.test(clean) ? texts.layout : texts.not_a_scan };
}

function fields(extra = []) {
  const pairs = [...new FormData(form).entries()].filter(([name]) => name !== "request_id" && name !== "pupil_id");
  return [...pairs, ["request_id", crypto.randomUUID()], ...extra];
}

// Put the form into the queue. `about`: what the big result says until the answer is there.
function send(about, extra = []) {
  const entry = queue.add(town, act, fields(extra));
  shown = entry.id;
  show("wait", "…", about, queue.why ? texts.kept : texts.sending);
  for (const field of form.querySelectorAll(".scan")) field.value = "";
  focus();
  return entry;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const visible = [...form.querySelectorAll(".scan")].filter((field) => field.offsetParent !== null);
  const here = document.activeElement;
  if (table) return table.submit(event.submitter, readScan, send);
  const next = visible[visible.indexOf(here) + 1];
  if (!scan.value.trim()) return focus();
  const wrong = visible.map((field) => field.value.trim() && [field, readScan(field.value)]).find((pair) => pair && pair[1].problem);
  if (wrong) {
    show("bad", "✕", wrong[0].value.slice(0, 40), wrong[1].problem);
    wrong[0].value = "";
    return wrong[0].focus();
  }
  if (next && !next.value.trim() && visible.includes(here)) return next.focus();
  const missing = visible.find((field) => field.required && !field.value.trim()) || (preprinted() && visible.find((field) => !field.value.trim()));
  if (missing) return missing.focus();
  send(visible.map((field) => readScan(field.value).scan || "").filter(Boolean).join("  ·  "));
  if (act === "return") form.querySelectorAll('[name="accessory"]').forEach((box) => { box.checked = true; });
});

// The field is never lost: a key or a touch beside it leads back.
document.addEventListener("keydown", (event) => {
  const here = document.activeElement;
  const typing = here && here.matches("input:not([type=checkbox]):not([type=radio]), textarea, select");
  if (!typing && /^[\p{L}\p{N}]$/u.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) scan.focus();
});
form.addEventListener("change", (event) => { if (event.target.matches(".chip input")) { store(); if (event.isTrusted) focus(); } });
document.addEventListener("click", (event) => { if (!event.target.closest("a, button, input, label, summary, textarea, details, nav")) focus(); });

function focus() { scan.focus({ preventScroll: true }); }

function show(kind, sign, title, advice = "") {
  const box = document.getElementById("result");
  box.className = `result is-${kind}`;
  box.querySelector(".sign").textContent = sign;
  box.querySelector(".big").textContent = title;
  box.querySelector(".advice").textContent = advice;
}

queue.addEventListener("answered", ({ detail }) => {
  if (detail.entry.act !== act) return;
  log("✓", "good", detail.answer.title);
  if (detail.entry.id === shown) show("good", "✓", detail.answer.title, detail.answer.advice);
  returned(detail.answer.answer);
});
queue.addEventListener("refused", ({ detail }) => {
  if (detail.entry.id !== shown) return;
  show("bad", "✕", refusal(detail.entry), scanned(detail.entry) + (detail.answer.advice ? " – " + detail.answer.advice : ""));
  if (detail.entry.waited || detail.answer.code === "too_old") return;
  // Shown to the person who has just scanned: there is nothing to decide later.
  log("✕", "bad-text", `${scanned(detail.entry)} – ${refusal(detail.entry)}`, 0);
  queue.forget(detail.entry);
  table?.refusedNow(detail.entry);
});
queue.addEventListener("change", paint);

function refusal(entry) { return texts[entry.refused.code] || entry.refused.title; } // the script has texts for its own reasons

function scanned(entry) { return entry.fields.filter(([name, value]) => ["scan", "tag", "second"].includes(name) && value).map(([, value]) => value.split("/").pop()).join(" · "); }

function log(sign, tone, text, count = 1) {
  const line = document.createElement("li");
  const time = document.createElement("time");
  const mark = document.createElement("span");
  time.textContent = new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
  mark.textContent = sign;
  mark.className = tone;
  mark.setAttribute("aria-hidden", "true");
  line.append(time, " ", mark, " ", text);
  document.getElementById("today").prepend(line);
  document.getElementById("today-count").textContent = Number(document.getElementById("today-count").textContent) + count;
  document.getElementById("nothing")?.remove();
}

// What waits and what is to be decided, beside the form.
function paint() {
  const waiting = queue.waiting();
  const refused = queue.refused();
  const others = queue.others();
  const quiet = !queue.why && queue.keeps; // on its way: not worth a word
  document.getElementById("queue").hidden = !(waiting.length && !quiet) && !others;
  document.getElementById("waiting-count").textContent = waiting.length;
  const why = [];
  if (waiting.length && queue.why === "network") why.push(texts.waiting.replace("{count}", waiting.length));
  if (waiting.length && queue.why === "signed-out") why.push(texts.sign_in_again);
  if (waiting.length && queue.why === "other-person") why.push(texts.other_person);
  if (!queue.keeps) why.push(texts.not_kept);
  if (others) why.push(texts.others.replace("{count}", others));
  const reason = document.getElementById("queue-why");
  if (reason.dataset.shown !== why.join(" ")) {
    reason.dataset.shown = reason.textContent = why.join(" ");
    if (queue.why === "signed-out") reason.append(" ", link(texts.sign_in));
  }
  document.getElementById("waiting-list").replaceChildren(...waiting.map((entry) => item(scanned(entry))));
  document.getElementById("decide").hidden = refused.length === 0;
  document.getElementById("refused-count").textContent = refused.length;
  document.getElementById("refused-list").replaceChildren(...refused.map((entry) => {
    const line = item(`${entry.act === act ? "" : texts["act_" + entry.act] + " : "}${scanned(entry)} – ${refusal(entry)}`);
    if (table) line.prepend(table.nameOf(entry));
    if (entry.refused.code !== "too_old") line.append(document.createElement("br"), button(texts.again, () => queue.again(entry)));
    line.append(button(texts.forget, () => queue.forget(entry)));
    return line;
  }));
  if (queue.why && waiting.some((entry) => entry.id === shown)) show("wait", "…", document.querySelector("#result .big").textContent, texts.kept);
  table?.paint(waiting, refused);
}

function item(text) { const line = document.createElement("li"); line.textContent = text; return line; }

function button(text, press) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "quiet";
  element.textContent = text;
  element.addEventListener("click", () => { press(); focus(); });
  return element;
}

function link(text) {
  const element = document.createElement("a");
  Object.assign(element, { href: "/desk", target: "_blank", textContent: text });
  return element;
}

// A return campaign's list, when the page shows one.
function returned(answer) {
  const row = act === "return" && answer && document.querySelector(`tr[data-pupil="${answer.pupil_id}"] .where`);
  if (!row || row.classList.contains("good")) return;
  row.className = "where good";
  row.textContent = "✓ " + texts.returned;
  const progress = document.getElementById("progress");
  const [done, all] = progress.textContent.match(/\d+/g).map(Number);
  progress.textContent = texts.progress.replace("{done}", done + 1).replace("{all}", all);
}

// Choices that stay: which accessories go along, whether labels are printed beforehand. No name is among them.
function preprinted() { return document.getElementById("preprinted")?.checked; }

function choices() {
  try { return JSON.parse(localStorage.getItem("cartable.choices")) || {}; } catch { return {}; }
}

function remember() {
  const part = document.getElementById("preprinted-part");
  const chosen = choices();
  if (part) {
    part.hidden = false;
    document.getElementById("preprinted").checked = Boolean(chosen.preprinted);
    document.getElementById("tag-part").hidden = !chosen.preprinted;
  }
  if (act === "handover" && Array.isArray(chosen.accessories)) {
    form.querySelectorAll('[name="accessory"]').forEach((box) => { box.checked = chosen.accessories.includes(box.value); });
  }
}

function store() {
  const chosen = choices();
  if (act === "bench") {
    chosen.preprinted = preprinted();
    document.getElementById("tag-part").hidden = !chosen.preprinted;
    if (!chosen.preprinted) document.getElementById("tag").value = "";
  }
  if (act === "handover") chosen.accessories = [...form.querySelectorAll('[name="accessory"]:checked')].map((box) => box.value);
  try { localStorage.setItem("cartable.choices", JSON.stringify(chosen)); } catch { /* then they stay for this page */ }
}

focus();
paint();
queue.flush();
