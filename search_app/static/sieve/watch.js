/* A page that renews itself: `data-renew` holds the seconds. Without this script it is as fresh as its loading. */
"use strict";

(() => {
  const box = document.querySelector("[data-renew]");
  if (!box) return;
  const seconds = Number(box.dataset.renew);
  tell();

  setInterval(async () => {
    // Not while nobody looks, nor under somebody's keyboard focus or selection.
    if (document.hidden || busy()) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Requested-With": "renew" } });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-renew]");
      if (fresh && !busy()) {
        box.replaceChildren(...fresh.childNodes);
        tell();
      }
    } catch {
      box.querySelector("[data-renewing]").textContent = ", the server does not answer now";
    }
  }, seconds * 1000);

  function busy() {
    return box.contains(document.activeElement) || Boolean(String(getSelection()));
  }

  function tell() {
    box.querySelector("[data-renewing]").hidden = false;
  }
})();
