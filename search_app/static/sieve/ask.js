/* The answer page: the stream, citations and their passages, and the buttons below an answer. */
import { patch } from "./patch.js";

(() => {
  const LONGEST = 7000; // of a question in an address, where a letter may take nine characters

  const reading = document.querySelector(".reading");
  const announce = document.querySelector("[data-announce]");
  if (reading) {
    if (reading.dataset.stream) stream(reading);
    linkCitations(reading);
    buttons(reading);
  }
  document.querySelectorAll(".ask textarea").forEach(submitOnEnter);

  /* --- The answer as it is written: what was found, the same reranked, what is said so far, then the whole. */

  function stream(page) {
    const source = new EventSource(page.dataset.stream);
    const written = () => page.querySelector(".answer, .verdict");
    const status = page.querySelector("[data-status]");
    const stopper = page.querySelector("[data-stop]");
    let over = false;

    source.addEventListener("found", (event) => {
      slots(page, event.data);
      status.textContent = "Found by words and meaning. Reranking…";
    });
    source.addEventListener("passages", (event) => {
      moving(page, () => slots(page, event.data));
      status.textContent = "Passages found. Writing the answer…";
    });
    source.addEventListener("answer", (event) => {
      for (const part of fragment(event.data).querySelectorAll("[data-slot]")) {
        patch(page.querySelector(`[data-slot="${part.dataset.slot}"]`), part);
      }
    });
    source.addEventListener("checking", () => {
      status.textContent = "Holding each sentence against its passages…";
    });
    source.addEventListener("done", (event) => {
      end();
      const held = page.contains(document.activeElement);
      const whole = page.cloneNode(false);
      whole.removeAttribute("data-stream");
      whole.append(fragment(event.data));
      patch(page, whole);
      buttons(page);
      announce.textContent = complete(page);
      const said = page.querySelector("[data-answer-url]");
      if (said) {
        history.replaceState(null, "", said.dataset.answerUrl);
        goOn(said.dataset.inConversation);
      }
      if (held && !page.contains(document.activeElement)) focus(page.querySelector(".cite") ?? document.getElementById("main"));
    });
    source.addEventListener("failed", (event) => {
      stop(JSON.parse(event.data).message);
    });
    // EventSource would ask the question again: one question is asked once. It is closed already where the
    // server refused it, and does not give its words: the page without a stream does.
    source.addEventListener("error", () => {
      if (!over && source.readyState === EventSource.CLOSED && !written() && !page.querySelector("[data-passage]")) {
        const plain = new URL(location.href);
        plain.searchParams.set("wait", "1");
        end();
        location.replace(plain);
        return;
      }
      stop("The connection broke before the answer was complete.");
    });
    stopper.addEventListener("click", () => {
      stop("Stopped.");
    });
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("input, textarea, details[open]");
      if (event.key === "Escape" && !over && !typing) stop("Stopped.");
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
      const held = document.activeElement === stopper;
      page.querySelectorAll(".ghost").forEach((ghost) => ghost.remove());
      page.querySelectorAll(".soon").forEach((soon) => { soon.textContent = "by words and meaning, not reranked"; });
      const found = page.querySelector(".card");
      const kept = written()
        ? " The text so far and the passages stay below."
        : found ? " What was found stays here." : "";
      const note = document.createElement("div");
      note.className = "degraded";
      const words = document.createElement("p");
      const again = document.createElement("a");
      again.href = location.href;
      again.textContent = "Ask again";
      words.append(`${sentence}${kept} `, again);
      note.append(words);
      page.querySelector("[data-slot=said]").prepend(note);
      status.closest(".status").remove();
      announce.textContent = sentence;
      if (held) again.focus();
    }
  }

  /* What is said to who listens: once, not each piece of the answer. */
  function complete(page) {
    const doubts = page.querySelector(".doubts > summary");
    return `The answer is complete.${doubts ? ` ${doubts.textContent.trim()}.` : ""}`;
  }

  /* The next question goes on with this conversation. */
  function goOn(conversation) {
    for (const field of document.querySelectorAll("[data-conversation]")) {
      field.value = conversation ?? "";
      field.disabled = !conversation;
    }
  }

  function fragment(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  }

  function slots(page, html) {
    for (const part of fragment(html).querySelectorAll("[data-slot]")) {
      page.querySelector(`[data-slot="${part.dataset.slot}"]`)?.replaceWith(part);
    }
  }

  /* Cards that stay glide to their new place, so that one sees what reranking moved. */
  function moving(page, change) {
    const places = () => new Map(
      [...page.querySelectorAll("[data-passage]")].map((card) => [card.dataset.passage, card]),
    );
    const before = new Map([...places()].map(([id, card]) => [id, card.getBoundingClientRect().top]));
    change();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    for (const [id, card] of places()) {
      const from = before.get(id);
      const by = from === undefined ? 0 : from - card.getBoundingClientRect().top;
      if (from === undefined) card.animate([{ opacity: 0 }, { opacity: 1 }], 220);
      else if (by) card.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], { duration: 260, easing: "ease-out" });
    }
  }

  function focus(target) {
    target?.focus({ preventScroll: true });
  }

  /* --- Buttons below an answer: they act without leaving the page. */

  function buttons(page) {
    for (const button of page.querySelectorAll("[data-copy], [data-copy-link]")) button.hidden = !navigator.clipboard;
    page.querySelector("[data-copy]")?.addEventListener("click", (event) => {
      copy(event.currentTarget, asText(page), "Copied");
    });
    const link = page.querySelector("#share-link");
    page.querySelector("[data-copy-link]")?.addEventListener("click", (event) => {
      copy(event.currentTarget, link.value, "Link copied");
    });
    link?.addEventListener("focus", () => link.select());
    for (const form of page.querySelectorAll("form[data-fragment]")) {
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        send(page, form, event.submitter);
      });
    }
  }

  async function send(page, form, pressed) {
    const body = new FormData(form, pressed);
    const name = pressed?.name ? `[name="${pressed.name}"]` : "button";
    const place = [...form.querySelectorAll(`button${pressed?.name ? name : ""}`)].indexOf(pressed);
    const forms = [...page.querySelectorAll("form[data-fragment]")].indexOf(form);
    let html;
    try {
      const response = await fetch(form.action, { method: "POST", body, headers: { "X-Fragment": "1" } });
      if (!response.ok) throw new Error(String(response.status));
      html = await response.text();
    } catch {
      announce.textContent = "That could not be sent.";
      const note = document.createElement("p");
      note.className = "mute";
      note.textContent = "That could not be sent. Reload the page and try again.";
      form.closest("[data-slot]").append(note);
      return;
    }
    slots(page, html);
    buttons(page);
    const again = page.querySelectorAll("form[data-fragment]")[forms];
    const reason = page.querySelector("#reason");
    if (body.has("reason")) {
      announce.textContent = "Sent. Thank you.";
      focus(page.querySelector(".reason button"));
    } else if (reason && body.get("liked")) {
      announce.textContent = "Noted. You may say why.";
      reason.focus();
    } else {
      focus(again?.querySelectorAll("button")[Math.max(0, place)]);
    }
    const link = page.querySelector("[data-copy-now]");
    if (link) {
      const button = page.querySelector("[data-copy-link]");
      if (navigator.clipboard) copy(button, link.value, "Link copied");
      else link.focus();
    }
  }

  async function copy(button, text, done) {
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = done;
      announce.textContent = `${done}.`;
      setTimeout(() => { button.textContent = before; }, 2000);
    } catch {
      announce.textContent = "The browser did not allow copying.";
    }
  }

  /* The answer as plain text with its markers, and below it where each passage stands. */
  function asText(page) {
    const answer = page.querySelector(".answer, .verdict").cloneNode(true);
    for (const aside of answer.querySelectorAll(".aside")) aside.remove();
    for (const cite of answer.querySelectorAll(".cite")) cite.textContent = ` [${cite.textContent}]`;
    const lines = [answer.textContent.trim(), ""];
    for (const card of page.querySelectorAll(".card[data-marker]:not(.uncited)")) {
      const link = card.querySelector("h3 a");
      const where = card.querySelector(".where").textContent;
      lines.push(`[${card.dataset.marker}] ${card.querySelector("h3 [dir]").textContent} (${where}) ${link?.href ?? ""}`.trim());
    }
    return `${lines.join("\n")}\n`;
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
    field.addEventListener("input", () => {
      const long = encodeURIComponent(field.value).length > LONGEST;
      field.setCustomValidity(long ? "This question is too long to be sent. Shorten it." : "");
    });
  }
})();
