"""What a model writes, cut into plain text and markers, while it is being written.

Models write `[1]`, `[1, 3]`, `[1-3]`, `[Passage 2]`, `【2】`. Everything else that a reader's program could
take for more than text becomes text: of links and images the words, of HTML what stands between the tags;
other square brackets become round ones. What is cut never depends on how the text came in pieces.
"""

import re
from dataclasses import dataclass

from rag.prompts.data import UNSEEN

LIMIT = 300
"""Characters: what opens and does not close within so many does not open."""
_OPEN, _CLOSE = "[\uff3b\u3010\u3014\u3016\u27e6", "]\uff3d\u3011\u3015\u3017\u27e7"
_SPECIAL = re.compile(f"[!<{re.escape(_OPEN + _CLOSE)}]")
_BRACKET = re.compile(f"[\n{re.escape(_OPEN + _CLOSE)}]")
_KIND = (
    r"(?:\^|\#|passages?|docs?|documents?|sources?|refs?|references?|quellen?|dokumente?|n[or]\.?)?\s*\#?\s*"
)
_MARKER = re.compile(
    rf"\s*{_KIND}(\d{{1,3}})((?:\s*(?:,|;|&|/|-|–|\band\b|\bund\b|\bet\b)\s*{_KIND}\d{{1,3}})*)\s*(?:[†:].*)?",
    re.IGNORECASE,
)
_MORE = re.compile(r"(-|–)?[^\d–-]*(\d{1,3})")
_NUMBERLESS = re.compile(r"\s*(?:n|\#|passage n)\s*", re.IGNORECASE)
_TARGET = re.compile(rf"\((?:[^()\n]|\([^()\n]*\)){{0,{LIMIT}}}\)")
_ADDRESS = re.compile(r"\(\s*<?(?:[a-z][a-z0-9+.-]*:|www\.|[/#?.])", re.IGNORECASE)
_TAG = re.compile(
    r"<(?:!--.*?--|/?(?:a|abbr|area|article|aside|audio|b|base|blockquote|body|br|button|canvas|center|cite|"
    r"code|details|dd|del|div|dl|dt|em|embed|fieldset|figure|font|footer|form|frame|h[1-6]|head|header|hr|html|"
    r"i|iframe|img|input|ins|kbd|label|li|link|main|mark|math|meta|nav|noscript|object|ol|option|p|param|"
    r"picture|pre|q|s|samp|script|section|select|small|source|span|strike|strong|style|sub|summary|sup|svg|"
    r"table|tbody|td|template|textarea|tfoot|th|thead|title|tr|track|tt|u|ul|var|video|wbr)"
    r"(?:[\s/][^<>]*)?)>",
    re.IGNORECASE | re.DOTALL,
)
_AUTOLINK = re.compile(r"<([a-z][a-z0-9+.-]+:[^\s<>]*|[^\s<>@]+@[^\s<>@]+)>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Group:
    """Numbers of one pair of brackets; 0 for one that says none."""

    numbers: tuple[int, ...]


class Marks:
    """Feed it what comes, then end it: together it gives the same for every way to cut the text."""

    def __init__(self) -> None:
        self._buffer = ""

    def feed(self, piece: str) -> list[str | Group]:
        self._buffer += UNSEEN.sub("", piece)
        return self._cut(final=False)

    def end(self) -> list[str | Group]:
        return self._cut(final=True)

    def _cut(self, *, final: bool) -> list[str | Group]:
        found: list[str | Group] = []
        at, text = 0, self._buffer
        while at < len(text):
            special = _SPECIAL.search(text, at)
            if special is None or special.start() > at:
                end = special.start() if special else len(text)
                found.append(text[at:end])
                at = end
                continue
            got = _special(text, at, final)
            if got is None:
                break
            piece, at = got
            if piece != "":
                found.append(piece)
        self._buffer = text[at:]
        return found


def _special(text: str, at: int, final: bool) -> tuple[str | Group, int] | None:
    """What begins at a special character and where it ends; None while that cannot be known."""
    sign = text[at]
    if sign in _CLOSE:
        return ")", at + 1
    if at + 1 == len(text) and not final:
        return None
    if sign in _OPEN:
        return _bracket(text, at, final)
    if sign == "<":
        return _tag(text, at, final)
    if text[at + 1 : at + 2] in tuple(_OPEN):  # an image, or an exclamation before a marker
        got = _bracket(text, at + 1, final)
        image = got is not None and isinstance(got[0], str) and got[1] > at + 2
        return got if got is None or image else ("!", at + 1)
    return "!", at + 1


def _bracket(text: str, at: int, final: bool) -> tuple[str | Group, int] | None:
    closing = _BRACKET.search(text, at + 1, at + 1 + LIMIT)
    if closing is None:
        whole = final or len(text) - at > LIMIT
        return ("(", at + 1) if whole else None
    if closing[0] not in _CLOSE:
        return "(", at + 1
    end = closing.end()
    if end == len(text) and not final:
        return None
    inner, target = text[at + 1 : closing.start()], None
    if text.startswith("(", end):
        target = _TARGET.match(text, end)
        if target is None and not final and len(text) - end <= 2 * LIMIT and "\n" not in text[end:]:
            return None
    numbers = _numbers(inner)
    if numbers:
        linked = target is not None and _ADDRESS.match(target[0])
        return Group(numbers), target.end() if target is not None and linked else end
    if target is not None:
        return _TAG.sub("", inner), target.end()
    return "(", at + 1


def _tag(text: str, at: int, final: bool) -> tuple[str, int] | None:
    rest = text[at : at + LIMIT]
    if not re.match(r"<[a-z/!?]", rest, re.IGNORECASE):
        return "<", at + 1
    inside = rest.find("<", 1)
    if ">" in rest or inside > 0:
        found = _TAG.match(rest) or _AUTOLINK.match(rest)
        if found is None and rest.startswith("<!--") and len(rest) < LIMIT and not final:
            return None
        if found is None:
            return "<", at + 1
        kept = found[1] if found.re is _AUTOLINK else ""
        return kept or ("\n" if re.match(r"<br\b", found[0], re.IGNORECASE) else ""), at + found.end()
    return None if len(rest) < LIMIT and not final else ("<", at + 1)


def _numbers(inner: str) -> tuple[int, ...]:
    """Those of a marker, ranges written out; nothing for other texts in brackets."""
    if _NUMBERLESS.fullmatch(inner):
        return (0,)
    found = _MARKER.fullmatch(inner)
    if found is None:
        return ()
    numbers = [int(found[1])]
    for dash, number in _MORE.findall(found[2]):
        if dash and numbers[-1] < int(number) <= numbers[-1] + 20:
            numbers += range(numbers[-1] + 1, int(number))
        numbers.append(int(number))
    return tuple(numbers)
