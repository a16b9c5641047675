/* Retry and delete, of one row or of all that failed. */

import { forget } from "./documents.js";
import { POLLED } from "./poller.js";
import { show } from "./rows.js";
import { goOn } from "./sending.js";
import { ask } from "./talk.js";
import { total } from "./tally.js";
import { count } from "./words.js";

export async function retry(upload, chosen) {
  const { items } = upload;
  upload.complain("");
  upload.title.focus({ preventScroll: true }); // the button goes away
  const unsent = chosen.filter((item) => item.state === "not-sent");
  const failed = chosen.filter((item) => item.state === "failed");
  for (const item of unsent) {
    Object.assign(item, { state: "waiting", tries: 0, sent: 0 });
    items.splice(items.indexOf(item), 1);
    items.push(item);
  }
  if (unsent.length) goOn(upload);
  for (let i = 0; i < failed.length; i += POLLED) {
    const some = failed.slice(i, i + POLLED);
    try {
      await change(upload, "retry", some);
      some.forEach((item) => show(upload, item, "queued"));
      upload.announce(`${count(some.length, "document")} tried again.`);
    } catch (error) {
      upload.complain(error.message);
    }
  }
  total(upload);
  upload.wake();
}

export async function remove(upload, item) {
  if (!confirm(`Delete ${item.name}? Nobody finds it any more.`)) return;
  upload.complain("");
  try {
    await change(upload, "delete", [item]);
    upload.title.focus({ preventScroll: true });
    upload.announce(`${item.name} is deleted.`);
    forget(upload, item);
  } catch (error) {
    upload.complain(error.message);
  }
}

function change(upload, action, chosen) {
  const body = new FormData();
  body.append("action", action);
  body.append("sure", "1");
  chosen.forEach((item) => body.append("document", item.id));
  return ask(upload.form.dataset.changeUrl, body);
}
