// Suggestions below the search of the bar, as a combobox: arrows choose, Enter opens, Escape closes, "/" goes there from anywhere.
// Without this script the form leads to a page with the same results.
const DELAY = 150;
const input = document.getElementById("find");
const list = document.getElementById("find-list");
const status = document.getElementById("find-status");
let timer, request, active = -1;

input.setAttribute("role", "combobox");
input.setAttribute("aria-autocomplete", "list");
input.setAttribute("aria-controls", list.id);
input.setAttribute("aria-expanded", "false");

const getOptions = () => [...list.querySelectorAll("[role=option]")];

function close() {
  list.hidden = true;
  active = -1;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function choose(index) {
  const options = getOptions();
  if (!options.length) return;
  active = (index + options.length) % options.length;
  options.forEach((option, at) => option.setAttribute("aria-selected", String(at === active)));
  input.setAttribute("aria-activedescendant", options[active].id);
  options[active].scrollIntoView({ block: "nearest" });
}

function makeElement(tag, text, className) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

function show(groups) {
  list.replaceChildren();
  let number = 0;
  groups.forEach((group, at) => {
    const block = document.createElement("div");
    const title = makeElement("div", group.name, "group");
    title.id = `find-group-${at}`;
    block.setAttribute("role", "group");
    block.setAttribute("aria-labelledby", title.id);
    block.append(title);
    for (const hit of group.hits) {
      const option = makeElement("div", hit.label);
      option.id = `find-${number++}`;
      option.dataset.url = hit.url;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      if (hit.detail) option.append(" ", makeElement("span", hit.detail, "soft"));
      block.append(option);
    }
    list.append(block);
  });
  active = -1;
  input.removeAttribute("aria-activedescendant");
  list.hidden = number === 0;
  input.setAttribute("aria-expanded", String(number > 0));
  status.textContent = number ? status.dataset.count.replace("{count}", number) : status.dataset.none;
}

async function suggest() {
  request?.abort();
  if (input.value.trim().length < 2) return close();
  request = new AbortController();
  const query = new URLSearchParams(new FormData(input.form));
  try {
    const answer = await fetch(`/search/suggestions?${query}`, { signal: request.signal, redirect: "error" });
    if (answer.ok) show((await answer.json()).groups);
  } catch {
    close(); // a newer letter, or no network: the form still works
  }
}

input.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(suggest, DELAY);
});
input.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (list.hidden) return;
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    choose(active === -1 && step < 0 ? -1 : active + step);
  } else if (event.key === "Enter" && active >= 0) {
    event.preventDefault();
    location.assign(getOptions()[active].dataset.url);
  } else if (event.key === "Escape") {
    if (!list.hidden) event.preventDefault();
    close();
  }
});
input.addEventListener("blur", () => setTimeout(close, DELAY));
list.addEventListener("mousedown", (event) => {
  event.preventDefault();
  const option = event.target.closest("[role=option]");
  if (option) location.assign(option.dataset.url);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  input.focus();
  input.select();
});
