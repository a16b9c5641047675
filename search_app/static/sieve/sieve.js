/* Everything here is an addition: without it the pages answer, show and link the same. */
"use strict";

(() => {
  document.querySelectorAll("[data-linked]").forEach(linkChart);
  keys();
  menus();

  /* --- Single keys: "/" goes to the question or the search of a page. They can be turned off. */

  function keys() {
    const field = document.querySelector("[data-question]");
    const said = document.querySelector("[data-keys]");
    const on = document.querySelector("[data-keys-on]");
    const off = () => localStorage.getItem("sieve-keys") === "off";
    if (said && on) {
      said.hidden = false;
      on.checked = !off();
      on.addEventListener("change", () => localStorage.setItem("sieve-keys", on.checked ? "on" : "off"));
    }
    document.addEventListener("keydown", (event) => {
      if (off() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
      if (event.key === "/" && field) {
        field.focus();
        field.scrollIntoView({ block: "nearest" });
        event.preventDefault();
      } else if (event.key === "j" || event.key === "k") {
        step(event.key === "j" ? 1 : -1);
      }
    });
  }

  /* Over the citations of an answer and out again at both ends. */
  function step(by) {
    const cites = [...document.querySelectorAll(".answer a.cite")];
    if (!cites.length) return;
    const at = cites.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : cites.length - 1) : at + by;
    if (cites[next]) cites[next].focus();
    else document.activeElement.blur();
  }

  /* --- Menus close at Escape, at a click elsewhere, and when the focus goes on. */

  function menus() {
    for (const menu of document.querySelectorAll("details.menu")) {
      menu.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && menu.open) {
          menu.open = false;
          menu.querySelector("summary").focus();
          event.stopPropagation();
        }
      });
      menu.addEventListener("focusout", (event) => {
        if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
      });
      document.addEventListener("click", (event) => {
        if (!menu.contains(event.target)) menu.open = false;
      });
    }
  }

  /* --- A line of the rank chart and its row of the table light each other. */

  function linkChart(box) {
    const chart = box.querySelector(".rank-chart");
    const region = box.querySelector("[data-chart]");
    const readout = box.querySelector("[data-readout]");
    if (!chart) return;
    const hint = readout.textContent;
    const lines = new Map();
    for (const way of chart.querySelectorAll(".way")) {
      lines.set(way.dataset.row, { way, knots: knots(way), said: way.querySelector("title").textContent });
      way.querySelector("title").remove(); // the readout says it; a tooltip would cover the lines
    }
    for (const nodes of chart.querySelectorAll(".knots")) lines.get(nodes.dataset.row).nodes = nodes;
    for (const label of chart.querySelectorAll(".label")) lines.get(label.dataset.row).label = label;
    for (const row of box.querySelectorAll("tr[data-row]")) lines.get(row.dataset.row).row = row;
    const order = [...chart.children];
    let lit = null;

    function light(number) {
      if (number === lit) return;
      if (lit) {
        const before = lines.get(lit);
        for (const part of parts(before)) part.classList.remove("hot");
        for (const part of [before.nodes, before.way]) {
          if (part) chart.insertBefore(part, order[order.indexOf(part) + 1] ?? null);
        }
      }
      lit = number;
      chart.classList.toggle("lit", Boolean(number));
      readout.classList.toggle("told", Boolean(number));
      readout.textContent = number ? lines.get(number).said : hint;
      if (!number) return;
      const now = lines.get(number);
      for (const part of parts(now)) part.classList.add("hot");
      chart.append(now.way);
      if (now.nodes) chart.append(now.nodes);
    }

    function parts(line) {
      return [line.way, line.nodes, line.label, line.row].filter(Boolean);
    }

    /* The page moving under a resting pointer is no pointing: while the keyboard leads, the pointer is
       heeded only after it has moved. */
    let pointer = null;
    let resting = null;
    document.addEventListener("pointermove", (event) => {
      pointer = `${event.clientX} ${event.clientY}`;
      if (pointer !== resting) resting = null;
    }, true);
    const rest = () => {
      resting = pointer;
    };

    chart.addEventListener("pointermove", (event) => {
      if (resting) return;
      const label = event.target.closest("[data-row]");
      light(label ? label.dataset.row : nearest(event));
    });
    chart.addEventListener("pointerleave", () => resting || light(null));
    chart.addEventListener("click", () => go(lit));
    box.addEventListener("mouseover", (event) => {
      const row = event.target.closest("tr[data-row]");
      if (row && !resting) light(row.dataset.row);
    });
    box.querySelector("tbody").addEventListener("mouseleave", () => resting || light(null));
    box.addEventListener("focusin", (event) => {
      rest();
      const row = event.target.closest("tr[data-row]");
      if (row) light(row.dataset.row);
    });
    box.addEventListener("focusout", () => light(null));
    region.addEventListener("keydown", (event) => {
      rest();
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        const next = Math.min(lines.size, Math.max(1, Number(lit ?? 0) + step));
        light(String(next));
        event.preventDefault();
      } else if (event.key === "Enter") {
        go(lit);
      } else if (event.key === "Escape") {
        light(null);
      }
    });

    function go(number) {
      const row = number && lines.get(number).row;
      if (!row) return;
      if (!row.offsetParent) box.querySelector("#rows-all").checked = true;
      row.scrollIntoView({ block: "center" });
      row.querySelector("a").focus({ preventScroll: true });
    }

    function nearest(event) {
      const area = chart.getBoundingClientRect();
      const scale = chart.viewBox.baseVal.width / area.width;
      const x = (event.clientX - area.left) * scale;
      const y = (event.clientY - area.top) * scale;
      let best = null;
      let distance = 14;
      for (const [number, line] of lines) {
        const away = Math.abs(height(line.knots, x) - y);
        if (away < distance || (away === distance && !line.way.classList.contains("rest"))) {
          best = number;
          distance = away;
        }
      }
      return best;
    }

    /* Where a line stands at x: its curves are level at both ends, as a smooth step is. */
    function height(points, x) {
      for (const [x0, y0, x1, y1] of points) {
        if (x0 <= x && x <= x1) {
          const t = (x - x0) / (x1 - x0);
          return y0 + (y1 - y0) * t * t * (3 - 2 * t);
        }
      }
      return Infinity;
    }

    function knots(way) {
      const found = [];
      for (const path of way.querySelectorAll(".run, .bridge")) {
        let at = null;
        for (const [, command, numbers] of path.getAttribute("d").matchAll(/([MC])([^MC]+)/g)) {
          const values = numbers.split(/[ ,]+/).map(Number);
          const to = values.slice(-2);
          if (command === "C") found.push([...at, ...to]);
          at = to;
        }
      }
      return found;
    }
  }
})();
