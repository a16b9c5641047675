/* The collection that files go into: who may read it, and a new one. */

import { ask } from "./talk.js";
import { made } from "./words.js";

/** Shows who may read the collection that is selected. */
export function who(upload) {
  const { $, form, select } = upload;
  const option = select.selectedOptions[0];
  const line = $("who");
  line.hidden = !option.dataset.readers;
  line.textContent = `May be read by: ${option.dataset.readers} `;
  const link = made("a", "", "Change access");
  link.href = `${form.dataset.collectionsUrl}/${encodeURIComponent(option.value)}/`;
  line.append(link);
  line.classList.toggle("warned", "public" in option.dataset);
}

/** Makes the collection of the form, and selects it; gives false where the server refused. */
export async function makeCollection(upload) {
  const { $, form, select } = upload;
  const fields = new FormData(form);
  fields.delete("files");
  $("new-fields").querySelectorAll(".error").forEach((node) => node.remove());
  $("send").disabled = true;
  try {
    const collection = await ask(form.dataset.collectionUrl, fields);
    const option = new Option(collection.title, collection.name, false, true);
    option.dataset.readers = collection.readers;
    if (collection.public) option.dataset.public = "";
    select.prepend(option);
    select.value = collection.name;
    who(upload);
    return true;
  } catch (error) {
    upload.complain(error.message);
    showErrors(form, error.fields || {});
    return false;
  } finally {
    $("send").disabled = false;
  }
}

function showErrors(form, fields) {
  for (const [name, sentences] of Object.entries(fields)) {
    const field = form.elements[name];
    const place = (field?.length ? field[0] : field)?.closest?.(".field, fieldset");
    sentences.forEach((sentence) => place?.append(made("p", "error", sentence)));
    if (field?.focus) field.focus();
  }
}
