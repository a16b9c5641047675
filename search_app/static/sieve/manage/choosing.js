/* Files that are chosen and not sent: by the two pickers, or dropped on the page. */

import { count, size } from "./words.js";

const JUNK = /^(__MACOSX|Thumbs\.db|desktop\.ini)$/i;

export function choosing(upload) {
  const { $, form } = upload;
  picking(upload, form.querySelector("[data-pick=files]"), form.querySelector("#files"));
  picking(upload, form.querySelector("[data-pick=folder]"), $("folder"));
  dropping(upload, $("drop"));
  $("clear").addEventListener("click", () => take(upload));
}

/** The files that are chosen; none is afterwards. */
export function take(upload) {
  const batch = upload.ready;
  upload.ready = [];
  upload.passedOver = 0;
  showReady(upload);
  return batch;
}

function picking(upload, button, input) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    choose(upload, [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
    input.value = "";
  });
}

function dropping(upload, drop) {
  let inside = 0;
  // A drop beside the field must not open the file in place of the page.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => event.preventDefault());
  drop.addEventListener("dragenter", () => drop.classList.toggle("over", ++inside > 0));
  drop.addEventListener("dragleave", () => drop.classList.toggle("over", --inside > 0));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    inside = 0;
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.length) return choose(upload, [...event.dataTransfer.files].map((file) => ({ file, name: file.name })));
    const found = [];
    for (const entry of entries) await walk(entry, "", found);
    choose(upload, found);
  });
}

async function walk(entry, prefix, found) {
  const name = prefix + entry.name;
  if (entry.isFile) {
    try {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ file, name });
    } catch {
      found.push({ file: null, name });
    }
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives a hundred at a time, and none at the end.
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) return;
    for (const child of some) await walk(child, `${name}/`, found);
  }
}

function choose(upload, found) {
  const wanted = found.filter(({ name }) => !name.split("/").some((part) => part.startsWith(".") || JUNK.test(part)));
  upload.passedOver += found.length - wanted.length;
  const names = new Map(upload.ready.map((one) => [one.name, one]));
  wanted.forEach((one) => names.set(one.name, one)); // chosen twice: the last one counts
  upload.ready = [...names.values()];
  showReady(upload);
  if (upload.ready.length) upload.$("send").focus();
}

function showReady(upload) {
  const { $, ready, passedOver } = upload;
  const bytes = ready.reduce((sum, { file }) => sum + (file?.size || 0), 0);
  const hidden = passedOver ? ` ${count(passedOver, "hidden file")} passed over.` : "";
  $("ready").textContent = ready.length ? `${count(ready.length, "file")}, ${size(bytes)}, ready.${hidden}` : hidden.trim();
  $("send").textContent = ready.length ? `Upload ${count(ready.length, "file")}` : "Upload";
  $("clear").hidden = !ready.length;
}
