import { ask } from "./talk.js";

export const POLLED = 200; // documents asked for at once; the server looks at no more
const POLL_MS = 1500;

/**
 * Asks for states again and again while `open()` gives ids; `seen` gets each document, or its id when it is gone.
 * Gives the function that starts it, again too.
 */
export function poller(url, open, seen, counted) {
  let timer = 0;

  async function round() {
    timer = 0;
    const ids = open().slice(0, POLLED);
    if (!ids.length) return;
    try {
      const query = ids.map((id) => `id=${id}`).join("&");
      const told = await ask(`${url}${url.includes("?") ? "&" : "?"}${query}`);
      const found = new Map(told.documents.map((row) => [row.id, row]));
      ids.forEach((id) => seen(id, found.get(id) || null));
      counted?.(told.counts);
      wake(document.hidden ? POLL_MS * 4 : POLL_MS);
    } catch (error) {
      if (error.status === 401 || error.status === 404) return; // signed out: asking again brings nothing
      wake(POLL_MS * 4);
    }
  }

  function wake(ms = POLL_MS) {
    if (!timer) timer = setTimeout(round, ms);
  }

  return wake;
}
