// The table of a class: which child is next, the state of the agreement, what is handed over. Names stay in the page.

export function handover({ form, texts, queue, show, focus, log }) {
  const rows = [...document.querySelectorAll("#pupils tr[data-pupil]")];
  const ask = document.getElementById("ask");
  const allSigned = document.getElementById("all-signed");
  const scan = document.getElementById("scan");
  let chosen = null;
  let pending = null; // a scan that waits for the answer about the agreement

  document.getElementById("all-signed-part").hidden = false;
  const marked = form.querySelector('[name="pupil_id"]:checked');
  choose(marked ? marked.closest("tr") : next());

  form.addEventListener("change", (event) => { if (event.target.name === "pupil_id") pick(event.target.closest("tr")); });
  queue.addEventListener("answered", ({ detail }) => {
    const answer = detail.answer.answer;
    const row = answer && answer.act === "hand_over" && rowOf(answer.pupil_id);
    if (!row) return;
    set(row, "held", "good", "✓", texts.handed, answer.tag);
    agreed(row, field(detail.entry, "agreement"));
    if (row === chosen) choose(next(row));
    progress();
  });

  function rowOf(id) { return rows.find((row) => row.dataset.pupil === id); }

  function free(row) { return ["missing", "planned", "refused"].includes(row.dataset.state); }

  function next(after = null) {
    const start = after ? rows.indexOf(after) + 1 : 0;
    return [...rows.slice(start), ...rows.slice(0, start)].find(free) || null;
  }

  function choose(row) {
    drop();
    chosen = row;
    rows.forEach((each) => each.classList.toggle("chosen", each === row));
    const radio = row && row.querySelector("input");
    if (radio) radio.checked = true;
    document.getElementById("now").textContent = row ? row.dataset.full : texts.everybody;
    // Only the list moves: the scan field stays where it is.
    const list = row?.closest(".wrap");
    if (list) list.scrollTop = row.offsetTop - list.clientHeight / 2;
  }

  function pick(row) {
    choose(row);
    show("wait", "→", texts.chosen.replace("{name}", row.dataset.full));
    focus();
  }

  function drop() {
    pending = null;
    ask.classList.remove("open");
  }

  function agreed(row, agreement) {
    const now = { signed_now: "signed", was_signed: "signed", stays: "stays" }[agreement];
    if (!now) return;
    row.dataset.agreement = now;
    const shown = row.querySelector(".agreement .state");
    shown.className = `state ${now === "signed" ? "good" : "stays"}`;
    shown.textContent = `${now === "signed" ? "✓" : "⌂"} ${texts[now]}`;
  }

  // Back to the child whose scan was refused, unless another is being served.
  function refusedNow(entry) {
    const row = rowOf(field(entry, "pupil_id"));
    if (row && free(row) && !pending) choose(row);
  }

  function progress() {
    const done = rows.filter((row) => ["held", "waiting"].includes(row.dataset.state)).length;
    document.getElementById("progress").textContent = texts.progress.replace("{done}", done).replace("{all}", rows.length);
    document.getElementById("left").textContent = rows.length - done;
    document.getElementById("meter").value = done;
  }

  function set(row, state, tone, sign, text, tag) {
    row.dataset.state = state;
    const where = row.querySelector(".where");
    where.className = `where ${tone}`;
    where.querySelector("span").textContent = sign;
    where.querySelector(".words").textContent = text;
    if (tag) where.querySelector("strong").textContent = tag;
    row.querySelector("input").disabled = state === "held" || state === "waiting";
  }

  // A name, or the code on a child's sheet, chooses a child; all else is a scan. A word without digits is a name, unless it could be a serial number.
  function search(text) {
    const sheet = /CARTABLE-P-([0-9A-F-]{36})$/i.exec(text.trim());
    if (sheet) return rowOf(sheet[1].toLowerCase()) || texts.nobody;
    if ((/\d/.test(text) && !/\s/.test(text.trim())) || /^[A-Z]{8,}$/.test(text.trim())) return null;
    const plain = (each) => each.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
    const parts = plain(text).split(/\s+/).filter(Boolean);
    const matches = rows.filter((row) => free(row) && parts.every((part) => plain(row.dataset.full).split(/[\s'(-]+/).some((word) => word.startsWith(part))));
    if (matches.length === 1) return matches[0];
    return matches.length ? `${texts.several} ${matches.slice(0, 5).map((row) => row.dataset.full).join(" · ")}` : texts.nobody;
  }

  function planned(text) {
    const code = text.split("/").pop().toUpperCase();
    return rows.find((row) => row.dataset.state === "planned" && [row.dataset.tag, row.dataset.serial, "S" + row.dataset.serial].includes(code));
  }

  function submit(pressed, readScan, send) {
    const text = scan.value;
    if (pressed && pressed.name === "agreement" && pending) return give(send, pressed.value);
    if (!text.trim()) return pending ? ask.querySelector("button").focus() : focus();
    const match = search(text);
    if (match) {
      scan.value = "";
      if (typeof match !== "string") return pick(match);
      show("bad", "✕", text.slice(0, 40), match);
      return focus();
    }
    const read = readScan(text);
    const fault = read.problem || (!chosen && !planned(text) ? texts.choose_first : "");
    if (fault) {
      show("bad", "✕", text.slice(0, 40), fault);
      scan.value = "";
      return focus();
    }
    if (pending) log("✕", "bad-text", texts.answer_first.replace("{tag}", pending.split("/").pop()), 0);
    const row = planned(text);
    if (row && row !== chosen) choose(row);
    pending = read.scan;
    if (pressed && pressed.name === "agreement") return give(send, pressed.value);
    if (chosen.dataset.agreement !== "pending") return give(send, "");
    if (allSigned.checked) return give(send, "was_signed");
    scan.value = "";
    show("wait", "?", `${pending.split("/").pop()} → ${chosen.dataset.full}`, ask.querySelector("legend").textContent);
    ask.classList.add("open");
    ask.querySelector("button").focus();
  }

  function give(send, agreement) {
    const row = chosen;
    scan.value = pending;
    drop();
    const about = `${scan.value.split("/").pop()} → ${row.dataset.full}`;
    const extra = [["pupil_id", row.dataset.pupil], ["agreement", agreement]];
    set(row, "waiting", "wait", "…", texts.waiting_row, scan.value.split("/").pop().toUpperCase());
    choose(next(row));
    send(about, extra);
    form.elements.signed_by.value = "";
    progress();
  }

  // Show each child's state in the queue.
  function paint(waiting, refused) {
    const of = (entries) => new Map(entries.filter((entry) => entry.act === "handover").map((entry) => [field(entry, "pupil_id"), entry]));
    const [wait, no] = [of(waiting), of(refused)];
    for (const row of rows) {
      if (row.dataset.state === "held") continue;
      if (wait.has(row.dataset.pupil)) set(row, "waiting", "wait", "…", texts.waiting_row, field(wait.get(row.dataset.pupil), "scan").split("/").pop());
      else if (no.has(row.dataset.pupil)) set(row, "refused", "bad", "✕", texts.refused_row, field(no.get(row.dataset.pupil), "scan").split("/").pop());
      else if (["waiting", "refused"].includes(row.dataset.state)) {
        set(row, row.dataset.tag ? "planned" : "missing", "soft", "○", row.dataset.tag ? texts.planned : texts.not_yet, row.dataset.tag);
        row.querySelector(".where strong").textContent = row.dataset.tag;
      }
    }
    if (chosen && !free(chosen)) choose(next(chosen));
    else if (!chosen) choose(next());
    progress();
  }

  function field(entry, name) { return (entry.fields.find(([each]) => each === name) || ["", ""])[1]; }

  function nameOf(entry) {
    const row = rowOf(field(entry, "pupil_id"));
    return row ? row.dataset.full + " : " : "";
  }

  return { submit, paint, nameOf, refusedNow };
}
