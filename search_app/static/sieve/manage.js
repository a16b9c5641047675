/* Staff pages. Everything here is an addition: without it the forms do the same, only less comfortably. */

import { listing } from "./manage/listing.js";
import { uploading } from "./manage/uploading.js";

document.querySelectorAll("[data-upload]").forEach(uploading);
document.querySelectorAll("[data-listing]").forEach(listing);
document.querySelectorAll("[data-copy]").forEach(copying);
document.querySelector(".sections [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

/** A key that is shown once. */
function copying(button) {
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
    button.textContent = "Copied";
  });
}
