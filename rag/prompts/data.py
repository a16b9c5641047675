"""Texts of documents and people as data in a prompt: they can neither end their turn nor leave their fence.

What a model is handed differs from what stands in the document, and only in this:

- what cannot be seen is gone: Unicode tags, bidirectional controls, zero-width characters, variation
  selectors, fillers and control characters (joiners stay between letters of scripts that need them);
- square brackets of any kind are round ones, so that no text carries a marker such as `[3]`, or `[INST]`;
- after a `<` there is a space, so that no text carries `<|im_end|>`, `</s>` or the fence of `fenced`;
- a role at the beginning of a line, such as `system:`, has a dash in the place of its colon;
- three or more of the characters of a rule or code fence, such as `---`, are two.

A reader is never shown this: pages, traces and citations hold the document's own characters.
"""

import hashlib
import re
from collections.abc import Sequence

UNSEEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tab and line feed
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800"  # fillers, and what stands for nothing
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # zero-width
    "\ufe00-\ufe0f\U000e0100-\U000e01ef"  # variation selectors
    "\U000e0000-\U000e00ff"  # tags
    "\ud800-\udfff"  # halves of characters
    "]"
)
_NEEDED = "\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff\ufb50-\ufdff\ufe70-\ufefc"
_JOINERS = re.compile(f"(?<![{_NEEDED}])[\u200c\u200d]|[\u200c\u200d](?![{_NEEDED}])")
_TURNED = str.maketrans("[]［］【】〔〕〖〗⟦⟧⁅⁆﹝﹞＜﹤⟨〈", "()()()()()()()()<<<<")
_OPENED = re.compile(r"<(?=[^\s])")
_ROLE = re.compile(
    r"^([^\w\n]*(?:system|user|assistant|human|ai|bot|tool|developer|model|instructions?|response|input|"
    r"passages?|question|answer)(?:[ \t]+(?:prompt|message))?)([^\w\n]*[:：][^\w\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_COLON = re.compile("[:：]")
_RULE = re.compile(r"([-=#*_~`\"'])\1{2,}")


def visible(text: str) -> str:
    """The text without characters that cannot be seen, whatever stands beside them."""
    return _JOINERS.sub("", UNSEEN.sub("", text))


def as_data(text: str) -> str:
    """The text as a model is handed it; lines stay lines."""
    shown = visible(text.replace("\u2028", "\n").replace("\u2029", "\n").replace("\r", "\n"))
    turned = _OPENED.sub("< ", shown.translate(_TURNED))
    return _RULE.sub(r"\1\1", _ROLE.sub(lambda match: match[1] + _COLON.sub(" -", match[2]), turned))


def in_line(text: str) -> str:
    """The same in one line, for titles and questions."""
    return " ".join(as_data(" ".join(text.split())).split())


def fenced(name: str, blocks: Sequence[str]) -> str:
    """Blocks of data between two lines that nobody who writes one of them can know.

    The lines carry a hash of all the blocks: a text that held its own hash would have to be found by trying,
    and `as_data` leaves no `<` that could begin such a line. The same blocks have the same fence, so that a
    server may remember what it made of them.
    """
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(hashlib.sha256(block.encode("utf-8", "replace")).digest())
    fence = f"{name} {digest.hexdigest()[:12]}"
    inner = "\n\n".join(blocks)
    return f"<{fence}>\n{inner}\n</{fence}>"
