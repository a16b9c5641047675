/* The rows of an upload: one of each file, and of each document that an archive became. */

import { total } from "./tally.js";
import { count, made, size } from "./words.js";

export const LISTED = 300; // rows; older ones that are searchable are folded into a number

/** Gives an item a row, unless it has one: behind the row `after`, else on top of those without trouble. */
export function row(upload, item, after) {
  if (item.node) return;
  const node = made("li");
  item.label = made("span", "name", item.name);
  item.label.dir = "auto";
  item.place = made("span", "now");
  item.acts = made("span", "acts");
  item.line = made("p", "reason");
  item.line.hidden = true;
  node.append(item.label, made("span", "size num", item.file ? size(item.file.size) : ""), item.place, item.acts, item.line);
  item.node = node;
  const list = upload.$("files");
  if (after && after !== node) after.after(node);
  else list.insertBefore(node, list.querySelector("li:not(.trouble)"));
  fold(upload);
}

function fold(upload) {
  const { $, items } = upload;
  const rows = $("files").children;
  if (rows.length <= LISTED) return;
  for (const item of items) {
    if (rows.length <= LISTED) break;
    if (item.node && item.state === "searchable") {
      item.node.remove();
      item.node = null;
      item.folded = true;
      upload.folded += 1;
    }
  }
  $("folded").hidden = !upload.folded;
  $("folded").textContent = `${count(upload.folded, "searchable document")} not listed here any more.`;
}

export function progress(upload, item, share) {
  item.sent = share;
  if (item.bar) item.bar.value = share;
  total(upload);
}

export function notSent(upload, item, sentence, retry) {
  item.retry = retry;
  show(upload, item, "not-sent", sentence);
  total(upload);
}

export function show(upload, item, state, sentence = "") {
  const changed = item.state !== state;
  item.state = state;
  if (!item.node) return;
  if (changed || !item.place.firstChild) {
    showPlace(item);
    showName(item);
    showActs(upload, item);
  }
  item.line.hidden = !sentence;
  item.line.textContent = sentence;
  item.node.classList.toggle("trouble", !!sentence);
  // What needs somebody stands first; a row that is in use stays where it is.
  if (changed && sentence && !item.node.contains(document.activeElement)) upload.$("files").prepend(item.node);
}

function showPlace(item) {
  if (item.state === "sending") {
    item.bar = made("progress");
    item.bar.max = 1;
    item.bar.setAttribute("aria-label", `Sent of ${item.name}`);
    item.place.replaceChildren(item.bar);
  } else {
    item.bar = null;
    item.place.replaceChildren(made("span", `chip is-${item.state}`, item.state.replace("-", " ")));
  }
}

function showName(item) {
  if (item.url) {
    const link = made("a", "", item.name);
    link.href = item.url;
    item.label.replaceChildren(link);
  } else {
    item.label.textContent = item.name;
  }
}

function showActs(upload, item) {
  const bad = item.state === "failed" || item.state === "not-sent";
  item.acts.replaceChildren();
  if (item.retry && bad) button(item, "Retry", () => upload.acts.retry([item]));
  if (item.id && item.state !== "sending") button(item, "Delete", () => upload.acts.remove(item));
}

function button(item, words, act) {
  const node = made("button", "link", words);
  node.type = "button";
  node.append(made("span", "hidden", ` ${item.name}`));
  node.addEventListener("click", act);
  item.acts.append(node);
}
