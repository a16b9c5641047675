/* Everything here is an addition: without it the pages answer, show and link the same. */
"use strict";

(() => {
  const reading = document.querySelector(".reading");
  if (reading) {
    if (reading.dataset.stream) stream(reading);
    linkCitations(reading);
  }
  document.querySelectorAll(".ask textarea").forEach(submitOnEnter);
  document.querySelectorAll("[data-linked]").forEach(linkChart);

  /* --- The answer as it is written: passages first, then pieces of text, then the whole with citations. */

  function stream(page) {
    const source = new EventSource(page.dataset.stream);
    const live = page.querySelector("[data-live]");
    const status = page.querySelector("[data-status]");
    const announce = document.querySelector("[data-announce]");
    let over = false;

    source.addEventListener("passages", (event) => {
      for (const part of fragment(event.data).querySelectorAll("[data-slot]")) {
        page.querySelector(`[data-slot="${part.dataset.slot}"]`)?.replaceWith(part);
      }
      status.textContent = "Passages found. Writing the answer…";
    });
    source.addEventListener("delta", (event) => {
      live.append(JSON.parse(event.data).text);
    });
    source.addEventListener("done", (event) => {
      end();
      page.replaceChildren(fragment(event.data));
      announce.textContent = "The answer is complete.";
      const stored = page.querySelector("[data-answer-url]");
      if (stored) history.replaceState(null, "", stored.dataset.answerUrl);
    });
    source.addEventListener("failed", (event) => {
      stop(JSON.parse(event.data).message);
    });
    // EventSource would ask the question again: one question is asked once.
    source.addEventListener("error", () => {
      stop("The connection broke before the answer was complete.");
    });
    page.querySelector("[data-stop]").addEventListener("click", () => {
      stop("Stopped.");
    });
    window.addEventListener("pagehide", end);
    window.addEventListener("pageshow", (event) => {
      if (event.persisted && status.isConnected) location.reload(); // came back to a question left half answered
    });

    function end() {
      over = true;
      source.close();
    }

    function stop(sentence) {
      if (over) return;
      end();
      page.querySelectorAll(".ghost").forEach((ghost) => ghost.remove());
      const kept = live.textContent ? " The text so far and the passages stay below." : "";
      const note = document.createElement("div");
      note.className = "degraded";
      const words = document.createElement("p");
      const again = document.createElement("a");
      again.href = location.href;
      again.textContent = "Ask again";
      words.append(`${sentence}${kept} `, again);
      note.append(words);
      live.before(note);
      status.closest(".status").remove();
      announce.textContent = sentence;
    }
  }

  function fragment(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  }

  /* --- A citation and its passage light each other. */

  function linkCitations(page) {
    const light = (event) => {
      const on = event.target.closest?.("[data-marker], [data-markers]");
      const markers = on ? (on.dataset.marker ?? on.dataset.markers).split(" ") : [];
      for (const other of page.querySelectorAll("[data-marker], [data-markers]")) {
        const own = (other.dataset.marker ?? other.dataset.markers).split(" ");
        other.classList.toggle("hot", own.some((marker) => markers.includes(marker)));
      }
    };
    page.addEventListener("mouseover", light);
    page.addEventListener("focusin", light);
    page.addEventListener("mouseleave", light);
    page.addEventListener("focusout", (event) => {
      if (!page.contains(event.relatedTarget)) light({ target: page });
    });
  }

  function submitOnEnter(field) {
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        field.form.requestSubmit();
      }
    });
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
