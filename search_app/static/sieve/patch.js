/* Makes a part of the page like another one and changes only what differs, so that a reader's place in it,
   what he has selected and what has the focus stay. */

/** Both are elements of the same kind; `wanted` is used up. */
export function patch(old, wanted) {
  const restore = held(old);
  merge(old, wanted);
  restore();
}

function merge(old, wanted) {
  if (old.nodeType === Node.TEXT_NODE) {
    words(old, wanted.data);
    return;
  }
  attributes(old, wanted);
  let at = old.firstChild;
  for (const child of [...wanted.childNodes]) {
    const same = counterpart(at, child);
    if (!same) {
      old.insertBefore(child, at);
      continue;
    }
    while (at !== same) at = removed(at);
    merge(same, child);
    at = same.nextSibling;
  }
  while (at) at = removed(at);
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

/* The node that becomes `child`: the one at its place or, of a named part, wherever it stands after it. */
function counterpart(at, child) {
  if (!named(child)) return at && alike(at, child) ? at : null;
  for (let one = at; one; one = one.nextSibling) if (alike(one, child)) return one;
  return null;
}

function alike(one, other) {
  return one.nodeName === other.nodeName
    && named(one) === named(other)
    && one.classList?.[0] === other.classList?.[0];
}

function named(node) {
  return node.dataset?.slot ?? (node.classList?.contains("answer") ? "answer" : "");
}

/* Text that only grew is only appended to: a selection in it stays as it is. */
function words(node, text) {
  if (node.data === text) return;
  let same = 0;
  while (same < node.length && node.data[same] === text[same]) same += 1;
  node.replaceData(same, node.length - same, text.slice(same));
}

function attributes(old, wanted) {
  const hot = old.classList.contains("hot");
  for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (hot) old.classList.add("hot");
}

/* --- What the reader holds ------------------------------------------------------------------------------ */

const CITES = ".answer a.cite";

/* Gives a function that puts focus and selection back where a change moved them. */
function held(box) {
  const cites = () => [...box.querySelectorAll(CITES)];
  const focused = cites().indexOf(document.activeElement);
  const answer = () => box.querySelector(".answer");
  const chosen = selected(answer());
  return () => {
    const cite = cites()[focused];
    if (cite && cite !== document.activeElement) cite.focus({ preventScroll: true });
    if (chosen && answer() && String(getSelection()) !== chosen.text) select(answer(), chosen);
  };
}

function selected(box) {
  const { anchorNode, anchorOffset, focusNode, focusOffset, isCollapsed } = getSelection();
  if (!box || isCollapsed || !box.contains(anchorNode) || !box.contains(focusNode)) return null;
  const length = (node, offset) => {
    const before = document.createRange();
    before.selectNodeContents(box);
    before.setEnd(node, offset);
    return before.toString().length;
  };
  return { from: length(anchorNode, anchorOffset), to: length(focusNode, focusOffset), text: String(getSelection()) };
}

function select(box, { from, to }) {
  const [anchor, focus] = [place(box, from), place(box, to)];
  getSelection().setBaseAndExtent(...anchor, ...focus);
}

/* The text node and the offset in it that is `length` characters into the box. */
function place(box, length) {
  const texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  let left = length;
  let node = box;
  while (texts.nextNode()) {
    node = texts.currentNode;
    if (left <= node.length) return [node, left];
    left -= node.length;
  }
  return [node, node.length ?? 0];
}
