// On a narrow screen each row of a table becomes a block in which every value has the name of its column, so that no column is out
// of sight. Roles are written out because such a layout takes them from the elements. Without this script wide tables scroll.
"use strict";

const ROLES = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TFOOT: "rowgroup", TR: "row", TD: "cell" };

function nameCells(table) {
  if (!table.tHead) return;
  const names = [...table.tHead.rows].at(-1).cells;
  for (const part of [table, ...table.querySelectorAll("thead, tbody, tfoot, tr, td")]) part.setAttribute("role", ROLES[part.tagName]);
  for (const cell of table.querySelectorAll("th")) cell.setAttribute("role", cell.closest("thead") ? "columnheader" : "rowheader");
  for (const body of table.tBodies)
    for (const row of body.rows)
      for (const cell of row.cells)
        if (cell.colSpan === 1 && names[cell.cellIndex]) cell.dataset.column = names[cell.cellIndex].textContent.trim();
  table.classList.add("stacked");
}

function nameAll() {
  for (const table of document.querySelectorAll(".wrap > table, .wrap > form > table")) nameCells(table);
}

nameAll();
new MutationObserver(nameAll).observe(document.querySelector("main"), { childList: true, subtree: true });
