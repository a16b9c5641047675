/* How many files of this upload are in which state. */

import { count, made } from "./words.js";

const STATES = ["waiting", "sending", "queued", "working", "searchable", "failed", "not-sent"];

export function tally(upload, state) {
  return upload.items.filter((item) => item.state === state).length;
}

export function failed(upload) {
  return upload.items.filter((item) => item.state === "failed" || item.state === "not-sent");
}

export function retryable(upload) {
  return failed(upload).filter((item) => item.retry);
}

/** Shows the numbers above the rows. */
export function total(upload) {
  const { $, items } = upload;
  const sent = items.reduce((sum, item) => sum + (item.sent === 1 || item.state === "not-sent" ? 1 : item.sent), 0);
  const whole = items.filter((item) => item.id || item.state === "deleted").length;
  $("total").max = items.length || 1;
  $("total").value = sent;
  $("sent").textContent = `${whole.toLocaleString("en")} of ${count(items.length, "file")} sent`;
  const numbers = STATES.map((state) => [state, tally(upload, state)]).filter(([, n]) => n);
  $("tally").replaceChildren(...numbers.map(([state, n]) => chip(state, n)));
  const bad = retryable(upload).length;
  $("retry-all").hidden = bad < 2;
  $("retry-all").textContent = `Retry all ${bad} failed`;
}

function chip(state, n) {
  const node = made("span", `chip is-${state}`);
  node.append(made("b", "", n.toLocaleString("en")), ` ${state.replace("-", " ")}`);
  return node;
}
