/* What the files that were sent became: documents, whose states are asked for until nothing is open. */

import { LISTED, notSent, row, show } from "./rows.js";
import { failed, tally, total } from "./tally.js";

/** The server has an item: `rows` are its documents, more than one of an archive. */
export function arrived(upload, item, rows) {
  item.file = null; // let the browser forget its bytes
  item.sent = 1;
  const [first, ...others] = rows;
  const at = upload.items.indexOf(item) + 1;
  const members = others.map((told) => ({ name: told.name, collection: item.collection, sent: 1, member: true }));
  upload.items.splice(at, 0, ...members);
  upload.next += members.length;
  [item, ...members].forEach((one, i) => {
    const told = rows[i];
    one.name = told.name;
    if (!one.node && i >= LISTED) return track(upload, one, told); // of a large archive only the first are listed
    row(upload, one, item.node);
    track(upload, one, told);
  });
  if (!first) notSent(upload, item, "The archive holds no files.", false);
  upload.wake();
}

function track(upload, item, told) {
  item.id = told.id;
  upload.documents.set(told.id, item);
  update(upload, item, told);
}

/** Ids of the documents whose state may still change by itself. */
export function open(upload) {
  return [...upload.documents].filter(([, item]) => item.state === "queued" || item.state === "working").map(([id]) => id);
}

/** A state that was asked for; `told` is null where the document is gone. */
export function seen(upload, id, told) {
  const item = upload.documents.get(id);
  if (!told) return forget(upload, item);
  update(upload, item, told);
  total(upload);
  if (!open(upload).length && !upload.active && upload.next >= upload.items.length) {
    const bad = failed(upload).length;
    upload.announce(`Done: ${tally(upload, "searchable")} searchable${bad ? `, ${bad} failed` : ""}.`);
  }
}

function update(upload, item, told) {
  item.retry = told.retry;
  item.url = told.url;
  show(upload, item, told.state, told.reason);
}

export function forget(upload, item) {
  upload.documents.delete(item.id);
  item.state = "deleted";
  item.node?.remove();
  item.node = null;
  total(upload);
}
