/* The page of uploads: what its parts share, and which part each control belongs to. */

import { choosing, take } from "./choosing.js";
import { makeCollection, who } from "./collection.js";
import { open, seen } from "./documents.js";
import { poller } from "./poller.js";
import { remove, retry } from "./retry.js";
import { goOn, send, stop } from "./sending.js";
import { retryable } from "./tally.js";

export function uploading(form) {
  const upload = shared(form);
  const { $, select } = upload;
  form.classList.add("scripted");
  form.querySelectorAll(".on-script").forEach((node) => (node.hidden = false));
  choosing(upload);
  select.addEventListener("change", () => who(upload));
  who(upload);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(upload);
  });
  $("stop").addEventListener("click", () => (upload.stopped ? goOn(upload) : stop(upload)));
  $("retry-all").addEventListener("click", () => upload.acts.retry(retryable(upload)));
  window.addEventListener("beforeunload", (event) => {
    if (upload.active || (!upload.stopped && upload.next < upload.items.length)) event.preventDefault();
  });
}

function shared(form) {
  const page = document.querySelector("main");
  const $ = (name) => page.querySelector(`[data-${name}]`);
  const upload = {
    form,
    $,
    select: $("collection"),
    title: document.getElementById("sending-title"),
    limit: Number(form.dataset.maxBytes),
    ready: [], // {file, name}: chosen, not sent
    passedOver: 0, // hidden files among those chosen
    items: [], // everything that was sent or is to be sent, in order
    next: 0, // first item that may still wait
    active: 0, // items on their way
    stopped: false,
    folded: 0,
    documents: new Map(), // id → item whose row shows it
    wake: poller(form.dataset.statesUrl, () => open(upload), (id, told) => seen(upload, id, told)),
    acts: {
      retry: (chosen) => retry(upload, chosen),
      remove: (item) => remove(upload, item),
    },
    announce(sentence) {
      $("announce").textContent = sentence;
    },
    complain(sentence) {
      const place = $("error");
      place.hidden = !sentence;
      place.textContent = sentence;
      if (sentence) place.scrollIntoView({ block: "nearest" });
    },
  };
  return upload;
}

async function submit(upload) {
  const { form, select } = upload;
  upload.complain("");
  if (!upload.ready.length) return upload.complain("No file was chosen. Choose some, or drop them on the page.");
  if (select.value === form.dataset.new && !(await makeCollection(upload))) return;
  send(upload, take(upload), select.value);
}
