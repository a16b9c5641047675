"""Sentences as character spans, by rules that need no model.

A sentence ends at . ! ? … before a space and something that can begin one, at 。！？ wherever they stand,
at an empty line, and at a line that begins or ends a list item, a table row or a heading. Abbreviations,
initials, decimals and the numbers of list items end none. A mistake costs a cut in an odd place, never a
wrong span: the spans are in order, do not overlap, and leave out nothing but white space.
"""

import re

Span = tuple[int, int]

_ABBREVIATIONS = """
    adj al apr approx art aug av ave bd bldg blvd bros ca capt cf ch chap co col corp dec dept dipl doz
    dr ed eds eg eq esp est et etc ex fam feb fig figs fr gen gov hon hr inc inkl jan jr lt ltd maj max
    mi min mme mr mrs ms mt no nos nov nr oct op orig p par pp prof prop pt ref rep rev rs sec sect sen
    sep sept sgt sr st str tab tel univ usw v viz vol vols vs z
"""
_NOT_LAST = frozenset(re.findall(r"\w+", _ABBREVIATIONS))
_OPENERS = frozenset(
    ("A", "An", "At", "But", "He", "However", "If", "In", "It", "She", "The", "They", "This", "We")
)
"""Words that begin a sentence even after an abbreviation in capitals, such as "U.S."."""
_ENDS = re.compile(r"""(?<![.!?…])[.!?…]++["'”’»)\]]*+(?=\s)|[。！？｡]+[」』”’）】]*|\n""")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*•‣·–—+]|\(?\w{1,3}[.)])[ \t]")
_ROW = re.compile(r"[^\n]*(?:\t|\S[ ]*\|[ ]*\S)")
_HEADING = re.compile(r"#{1,6} ")
_WORD_BEFORE = re.compile(r"[\w.]+$")
_GOES_ON = re.compile(r"""[ \t]*["'“‘«(\[]*[a-zà-öø-ÿ]""")
SHORT_LINE = 45
"""A line shorter than this was not wrapped: it stands alone, unless the next begins in mid-sentence."""


def sentences(text: str) -> list[Span]:
    """First and past-the-last character of each sentence of `text`, in order, without white space around."""
    spans: list[Span] = []
    start = 0
    for mark in _ENDS.finditer(text):
        end = mark.end()
        if _ends_line(text, start, end) if mark[0] == "\n" else _ends_sentence(text, start, mark):
            _add(spans, text, start, end)
            start = end
    _add(spans, text, start, len(text))
    return spans


def _add(spans: list[Span], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    kept = piece.strip()
    if kept:
        start += len(piece) - len(piece.lstrip())
        spans.append((start, start + len(kept)))


def _ends_line(text: str, start: int, end: int) -> bool:
    """Whether the line break before `end` is more than a wrapped line's."""
    after = text[end : end + 200]
    first = text.rfind("\n", 0, end - 1) + 1
    line = text[max(first, start, end - 200) : end - 1]
    return (
        not after.strip()
        or after[0] in "\n\r"
        or (
            len(line.rstrip()) < SHORT_LINE
            and not line.rstrip().endswith((",", "-"))
            and not _GOES_ON.match(after)
        )
        or (
            any(kind.match(piece) for kind in (_LIST_ITEM, _ROW, _HEADING) for piece in (after, line))
            and not (_LIST_ITEM.match(line) and after[0] in " \t")
        )
    )


def _ends_sentence(text: str, start: int, mark: re.Match[str]) -> bool:
    if mark[0][0] in "。！？｡":
        return True
    after = text[mark.end() : mark.end() + 20].lstrip()
    if not after:
        return True
    if _GOES_ON.match(after):
        return False
    if not mark[0].startswith(".") or mark[0].startswith(".."):
        return True
    before = _WORD_BEFORE.search(text, max(start, mark.start() - 20), mark.start())
    if before is None:
        return True
    word = before[0]
    last = word.rpartition(".")[2]
    if word.casefold() in _NOT_LAST:
        return word.casefold() == "no" and not after[0].isdigit()
    if len(last) == 1 and last.isalpha():
        # An initial, or an abbreviation such as "U.S."; "I." and a letter in a list of points may end one.
        return "." in word and after.split()[0] in _OPENERS
    # "3. Fill in the form": the number of a point at the beginning.
    return not (word.isdigit() and len(word) < 3 and not text[start : before.start()].strip())
