// Says in words whether the picture has come whose host only the town's resolver knows. Without this script the page says what the picture means.
"use strict";

const MOST_WAITING = 10000;
const picture = document.getElementById("resolver-picture");
const answer = document.getElementById("resolver-answer");

function show() {
  const isAnswering = picture.complete && picture.naturalWidth > 0;
  answer.textContent = isAnswering ? answer.dataset.yes : answer.dataset.no;
  answer.className = isAnswering ? "notice" : "notice problem";
}

if (picture.complete) show();
else {
  picture.addEventListener("load", show);
  picture.addEventListener("error", show);
  setTimeout(show, MOST_WAITING);
}
