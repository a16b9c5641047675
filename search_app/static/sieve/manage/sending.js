/* The queue of an upload, and the way of each file to the server. */

import { arrived } from "./documents.js";
import { notSent, progress, row, show } from "./rows.js";
import { read, said, token } from "./talk.js";
import { tally, total } from "./tally.js";
import { count, size } from "./words.js";

const PARALLEL = 3; // files on their way at once
const TRIES = 4; // of one file, when the network or the server does not answer

export function send(upload, batch, collection) {
  const { $, form } = upload;
  upload.stopped = false;
  for (const { file, name } of batch) upload.items.push({ file, name, collection, state: "waiting", tries: 0, sent: 0 });
  $("sending").hidden = false;
  $("all-documents").href = `${form.dataset.documentsUrl}?collection=${encodeURIComponent(collection)}`;
  upload.announce(`Sending ${count(batch.length, "file")}.`);
  upload.title.focus({ preventScroll: true });
  $("sending").scrollIntoView({ block: "nearest" });
  goOn(upload);
}

export function goOn(upload) {
  const { $, items } = upload;
  upload.stopped = false;
  upload.next = items.findIndex((item) => item.state === "waiting");
  if (upload.next < 0) upload.next = items.length;
  $("stop").textContent = "Stop";
  $("stop").hidden = upload.next === items.length;
  work(upload);
}

export function stop(upload) {
  upload.stopped = true;
  upload.items.forEach((item) => item.request?.abort());
  work(upload);
}

function work(upload) {
  const { $, items } = upload;
  while (!upload.stopped && upload.active < PARALLEL && upload.next < items.length) {
    const item = items[upload.next++];
    if (item.state === "waiting") begin(upload, item);
  }
  total(upload);
  if (upload.active) return;
  const left = tally(upload, "waiting");
  $("stop").hidden = !left;
  $("stop").textContent = upload.stopped ? `Go on with ${count(left, "file")}` : "Stop";
  upload.announce(upload.stopped ? `Stopped, ${count(left, "file")} not sent.` : "All files are sent.");
}

function begin(upload, item) {
  const { limit } = upload;
  row(upload, item);
  if (!item.file) return notSent(upload, item, "The file cannot be read from this device.", false);
  if (item.file.size > limit) {
    const sentence = `The file has ${size(item.file.size)}; the limit is ${size(limit)}. It was not sent.`;
    return notSent(upload, item, sentence, false);
  }
  upload.active += 1;
  transfer(upload, item);
}

function transfer(upload, item) {
  item.tries += 1;
  show(upload, item, "sending");
  const body = new FormData();
  body.append("collection", item.collection);
  body.append("name", item.name);
  body.append("file", item.file, "file");
  const request = new XMLHttpRequest(); // fetch does not say how much has been sent
  item.request = request;
  request.open("POST", upload.form.dataset.fileUrl);
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("X-CSRFToken", token());
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) progress(upload, item, event.loaded / event.total);
  });
  request.addEventListener("load", () => {
    if (request.status === 429 || request.status >= 502) return again(upload, item, said(request.status));
    try {
      arrived(upload, item, read(request.status, request.responseText).documents);
    } catch (error) {
      if (error.status === 401 || error.status === 403) upload.stopped = true;
      notSent(upload, item, error.message, true);
    }
    free(upload, item);
  });
  request.addEventListener("error", () => again(upload, item, "The connection broke."));
  request.addEventListener("abort", () => putBack(upload, item));
  request.send(body);
}

function again(upload, item, sentence) {
  if (item.tries >= TRIES) {
    notSent(upload, item, `${sentence} It was tried ${item.tries} times.`, true);
    return free(upload, item);
  }
  progress(upload, item, 0);
  item.line.textContent = `${sentence} Trying again…`;
  item.line.hidden = false;
  const later = () => (upload.stopped ? putBack(upload, item) : transfer(upload, item));
  setTimeout(later, 700 * 2 ** (item.tries - 1));
}

function putBack(upload, item) {
  item.node.remove();
  Object.assign(item, { state: "waiting", node: null, tries: 0, sent: 0 });
  free(upload, item);
}

function free(upload, item) {
  item.request = null;
  upload.active -= 1;
  work(upload);
}
