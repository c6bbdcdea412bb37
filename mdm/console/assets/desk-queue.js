// The scans that the server has not answered yet, kept in this browser for the account that made them, sent in order.
// Kept are identifiers, tags and serial numbers; never a name. See docs/adr/0025-scans-wait-in-the-browser-without-names.md.

const KEPT = new Set(["request_id", "class_id", "scan", "tag", "second", "pupil_id", "agreement", "signed_on", "condition", "cause", "state", "accessory"]);
const PREFIX = "cartable.desk.";
const OLDEST = 6 * 24 * 3600 * 1000; // the server knows a request for seven days
const PATIENCE = 12000;
const PAUSES = [1000, 2000, 5000, 10000, 20000];

export class Queue extends EventTarget {
  constructor(account, csrf) {
    super();
    this.account = account;
    this.csrf = csrf;
    this.why = ""; // "", "network", "signed-out", "other-person"
    this.memory = new Map(); // where the browser keeps nothing
    this.unstored = new Map(); // fields that are not stored, such as who signed: gone with the page
    this.tries = 0;
    this.running = false;
    this.number = 0;
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel(PREFIX + account) : null;
    if (this.channel) this.channel.onmessage = (message) => this.#tell(message.data, false);
    window.addEventListener("storage", () => this.#changed());
    window.addEventListener("online", () => this.flush());
    window.addEventListener("focus", () => this.flush());
  }

  // Keep a scan, then send it. `fields`: pairs of name and value. Returns the entry.
  add(town, act, fields) {
    const at = Date.now();
    const entry = { id: fields.find(([name]) => name === "request_id")[1], at, waited: Boolean(this.why) || this.waiting().length > 3, town, act, fields: fields.filter(([name]) => KEPT.has(name)), refused: null };
    entry.key = `${PREFIX}${this.account}.${String(at).padStart(15, "0")}.${String(this.number++).padStart(5, "0")}.${entry.id}`;
    this.unstored.set(entry.id, fields.filter(([name]) => !KEPT.has(name) && name !== "csrf"));
    this.#keep(entry);
    this.#changed();
    this.flush();
    return entry;
  }

  // Those that wait for an answer, oldest first.
  waiting() { return this.#all().filter((entry) => !entry.refused); }

  // Those that were refused and wait for a person's decision.
  refused() { return this.#all().filter((entry) => entry.refused); }

  // How many scans of other people are kept in this browser.
  others() { return keys().filter((key) => !key.startsWith(`${PREFIX}${this.account}.`)).length; }

  // Whether this browser keeps what is scanned.
  get keeps() { return this.memory.size === 0; }

  again(entry) {
    this.#keep({ ...entry, refused: null, faults: 0 });
    this.#changed();
    this.flush();
  }

  forget(entry) {
    this.#drop(entry);
    this.#changed();
  }

  // Send what waits. One tab at a time; should two send the same, the server answers both alike.
  async flush() {
    if (this.running) return;
    this.running = true;
    clearTimeout(this.timer);
    try {
      if (navigator.locks) await navigator.locks.request(PREFIX + this.account, () => this.#run());
      else await this.#run();
    } finally {
      this.running = false;
    }
    if (this.waiting().length) {
      if (!this.why) { this.flush(); return; } // came while the last one was answered
      this.timer = setTimeout(() => this.flush(), PAUSES[Math.min(this.tries++, PAUSES.length - 1)]);
    } else this.tries = 0;
    this.#changed();
  }

  async #run() {
    for (let entry = this.waiting()[0]; entry; entry = this.waiting()[0]) {
      const why = await this.#send(entry);
      if (why && !entry.waited) this.#wait(entry);
      if (why !== this.why) { this.why = why; this.#changed(); }
      if (why) return;
    }
  }

  // Send one. Returns why it could not be sent, or nothing when it was answered.
  async #send(entry, fresh = false) {
    if (Date.now() - entry.at > OLDEST) return this.#refuse(entry, { code: "too_old", title: "", advice: "" });
    const body = new URLSearchParams([...entry.fields, ...(this.unstored.get(entry.id) || []), ["csrf", this.csrf]]);
    let response, answer;
    try {
      response = await fetch(`/desk/${entry.town}/${entry.act}`, { method: "POST", body, headers: { Accept: "application/json" }, redirect: "error", cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      answer = await response.json();
    } catch {
      return "network";
    }
    if (response.ok && answer.ok) {
      this.#drop(entry);
      this.#tell({ kind: "answered", entry, answer }, true);
      return "";
    }
    if ([408, 429, 502, 503, 504].includes(response.status)) return "network";
    if (response.status >= 500) return this.#fault(entry);
    if (response.status === 401 || answer.code === "must_change_password") return "signed-out";
    if (answer.code === "stale_page") return fresh ? "signed-out" : (await this.#renew()) || this.#send(entry, true);
    return this.#refuse(entry, { code: answer.code, title: answer.title, advice: answer.advice || "" });
  }

  // The server stumbles over this scan: after three times it is set aside, so that the others go on.
  #fault(entry) {
    const faults = (entry.faults || 0) + 1;
    if (faults >= 3) return this.#refuse({ ...entry, waited: true }, { code: "fault", title: "", advice: "" });
    this.#keep({ ...entry, faults, waited: true });
    return "network";
  }

  // The person has signed in anew: fetch the new CSRF token. Returns why not.
  async #renew() {
    try {
      const response = await fetch("/desk/me", { headers: { Accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      if (!response.ok) return response.status < 500 ? "signed-out" : "network";
      const me = await response.json();
      if (me.account !== this.account) return "other-person";
      this.csrf = me.csrf;
      return "";
    } catch {
      return "network";
    }
  }

  // Keep in mind that it had to wait: its refusal then waits for a decision instead of being shown once.
  #wait(entry) {
    const kept = this.waiting().find((each) => each.id === entry.id);
    if (kept) this.#keep({ ...kept, waited: true });
  }

  #refuse(entry, refused) {
    const kept = { ...entry, refused };
    this.#keep(kept);
    this.#tell({ kind: "refused", entry: kept, answer: refused }, true);
    return "";
  }

  #tell(message, mine) {
    if (mine && this.channel) this.channel.postMessage(message);
    this.dispatchEvent(new CustomEvent(message.kind, { detail: message }));
    this.#changed();
  }

  #changed() { this.dispatchEvent(new Event("change")); }

  #keep(entry) {
    try { localStorage.setItem(entry.key, JSON.stringify(entry)); }
    catch { this.memory.set(entry.key, entry); }
  }

  #drop(entry) {
    this.unstored.delete(entry.id);
    this.memory.delete(entry.key);
    try { localStorage.removeItem(entry.key); } catch { /* nothing was kept there */ }
  }

  #all() {
    const found = [...this.memory.values()];
    for (const key of keys()) {
      if (!key.startsWith(`${PREFIX}${this.account}.`)) continue;
      try { found.push(JSON.parse(localStorage.getItem(key))); } catch { localStorage.removeItem(key); }
    }
    return found.filter((entry) => entry && entry.key && Array.isArray(entry.fields)).sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

function keys() {
  try { return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)); } catch { return []; }
}
