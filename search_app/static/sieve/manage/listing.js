/* The table of documents: marks, and states that follow the work. */

import { poller } from "./poller.js";
import { made } from "./words.js";

export function listing(form) {
  marking(form);
  const rows = new Map([...form.querySelectorAll("[data-document]")].map((row) => [Number(row.dataset.document), row]));
  const pending = (row) => row.dataset.state === "queued" || row.dataset.state === "working";
  const open = () => [...rows].filter(([, row]) => pending(row)).map(([id]) => id);
  const wake = poller(form.dataset.states, open, seen, counted);
  wake();

  function seen(id, told) {
    const row = rows.get(id);
    if (!told) {
      row.remove();
      rows.delete(id);
    } else if (told.state !== row.dataset.state) {
      fill(row, told);
      if (!open().length) {
        form.querySelector("[data-announce]").textContent = "No document of this page is waiting any more.";
      }
    }
  }
}

function marking(form) {
  const marks = [...form.querySelectorAll("input[name=document]")];
  const markAll = form.querySelector("[data-mark-all]");
  markAll.hidden = form.querySelector(".bulk .on-script").hidden = false;
  markAll.addEventListener("change", () => marks.forEach((mark) => (mark.checked = markAll.checked)));
  form.addEventListener("change", () => {
    const n = marks.filter((mark) => mark.checked).length;
    markAll.checked = n === marks.length;
    markAll.indeterminate = n > 0 && n < marks.length;
  });
}

function fill(row, told) {
  row.dataset.state = told.state;
  const chip = row.querySelector("[data-chip]");
  chip.className = `chip is-${told.state}`;
  chip.textContent = told.state;
  const reason = row.querySelector("[data-reason]");
  reason.textContent = told.reason;
  reason.hidden = !told.reason;
  row.querySelector("[data-version]").textContent = told.version || "–";
  const name = row.querySelector("[data-name]");
  if (told.url && !name.querySelector("a")) {
    const link = made("a", "", told.name);
    link.href = told.url;
    name.replaceChildren(link);
  }
}

function counted(counts) {
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  for (const [state, n] of Object.entries({ ...counts, total })) {
    const place = document.querySelector(`[data-count="${state}"]`);
    if (place) place.textContent = n;
  }
}
