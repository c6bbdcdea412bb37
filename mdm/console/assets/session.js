// Warns some minutes before the session ends, and lets it go on while somebody types. Without it nothing is lost either: see kept forms.
const notice = document.getElementById("session-end");
const WARNING_SECONDS = 300;
const TYPING_SECONDS = 240;
let endsAt = Date.now() + Number(notice.dataset.seconds) * 1000;
let askedAt = Date.now();
let timer;

function watch() {
  clearTimeout(timer);
  const left = (endsAt - Date.now()) / 1000;
  notice.hidden = left > WARNING_SECONDS;
  if (left <= 0) {
    notice.firstElementChild.textContent = notice.dataset.ended;
    notice.querySelector("button").hidden = true;
    return;
  }
  timer = setTimeout(watch, Math.min(left > WARNING_SECONDS ? left - WARNING_SECONDS : left, 86400) * 1000 + 50);
}

async function stay() {
  askedAt = Date.now();
  const body = new URLSearchParams({ csrf: notice.dataset.csrf });
  const answer = await fetch("/sessions/stay", { method: "POST", body, redirect: "manual" }).catch(() => null);
  if (!answer?.ok) return;
  endsAt = Date.now() + (await answer.json()).seconds * 1000;
  watch();
}

notice.querySelector("button").addEventListener("click", stay);
document.addEventListener("input", () => {
  if (Date.now() - askedAt > TYPING_SECONDS * 1000) stay();
});
document.addEventListener("visibilitychange", watch);
watch();
