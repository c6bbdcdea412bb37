// Sends the call that a person has written on the page of the API and shows its answer. The token stays in its field: it is neither
// kept nor sent anywhere but to this server. Without this script the page shows the same calls for a terminal.
const form = document.getElementById("try");
const fields = form.elements;
const answer = document.getElementById("try-answer");
const status = document.getElementById("try-status");
const examples = [...document.querySelectorAll("[data-example]")];

function choose() {
  const example = examples[fields.example.selectedIndex];
  fields.method.value = example.dataset.method;
  fields.path.value = example.dataset.path;
  fields.body.value = example.dataset.body;
}

function format(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function send(event) {
  event.preventDefault();
  const path = fields.path.value.trim();
  const open = path.match(/\{[^}]*\}/);
  if (open || !path.startsWith("/api/v1/")) {
    status.textContent = open ? `${form.dataset.fill} ${open[0]}` : form.dataset.own;
    return;
  }
  const headers = { Accept: "application/json" };
  if (fields.token.value) headers.Authorization = `Bearer ${fields.token.value.trim()}`;
  const body = fields.method.value === "GET" ? undefined : fields.body.value || undefined;
  if (body) headers["Content-Type"] = "application/json";
  status.textContent = form.dataset.waiting;
  try {
    const response = await fetch(path, { method: fields.method.value, headers, body, credentials: "omit", cache: "no-store" });
    answer.textContent = format(await response.text());
    status.textContent = `${response.status} ${response.statusText}`.trim();
  } catch {
    answer.textContent = "";
    status.textContent = form.dataset.away;
  }
}

fields.example.addEventListener("change", choose);
form.addEventListener("submit", send);
form.hidden = false;
choose();
