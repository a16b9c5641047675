"""What Word's styles and numbering say about a paragraph: heading level, list depth, list marker."""

import re
from collections import defaultdict
from dataclasses import dataclass

from lxml import etree

from rag.parse.package import attribute, local

_HEADING_NAME = re.compile(r"heading (\d)", re.IGNORECASE)
_MAX_ANCESTORS = 20
_BODY_LEVEL = 9
"""Outline level of body text in WordprocessingML (17.3.1.20)."""


@dataclass(frozen=True, slots=True)
class Style:
    """`heading` 0 is no heading; `number` is (numbering id, level) where the style is a list's."""

    heading: int = 0
    number: tuple[str, int] | None = None


class Styles:
    def __init__(self, root: etree._Element | None) -> None:
        self._elements: dict[str, etree._Element] = {}
        for element in () if root is None else root:
            if local(element) == "style" and (key := attribute(element, "styleId")):
                self._elements[key] = element
        self._known: dict[str, Style] = {}

    def of(self, properties: etree._Element | None) -> Style:
        """The paragraph's style with its own outline level and numbering laid over it."""
        if properties is None:
            return Style()
        chosen = _child_value(properties, "pStyle")
        style = self._style(chosen) if chosen else Style()
        level = _outline(properties)
        return Style(
            style.heading if level is None else level,
            _number(properties, style.number),
        )

    def _style(self, key: str) -> Style:
        if key not in self._known:
            heading: int | None = None
            number: tuple[str, int] | None = None
            here: str | None = key
            for _ in range(_MAX_ANCESTORS):
                element = self._elements.get(here or "")
                if element is None:
                    break
                properties = _child(element, "pPr")
                if properties is not None:
                    heading = _outline(properties) if heading is None else heading
                    number = number or _number(properties, None)
                name = (_child_value(element, "name") or "").lower()
                if heading is None and (named := _HEADING_NAME.fullmatch(name)):
                    heading = int(named[1])
                if heading is None and name == "title":
                    heading = 1
                here = _child_value(element, "basedOn")
            if heading is None and (named := re.fullmatch(r"Heading(\d)", key)):
                heading = int(named[1])
            self._known[key] = Style(heading or 0, number)
        return self._known[key]


class Numbering:
    """Counts the items of every list as Word does when it draws them."""

    def __init__(self, root: etree._Element | None) -> None:
        self._abstract: dict[str, str] = {}
        self._levels: dict[tuple[str, int], tuple[str, str, int]] = {}
        """(abstract id, level) to (number format, level text, start)."""
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)
        for element in () if root is None else root:
            key = attribute(element, "abstractNumId" if local(element) == "abstractNum" else "numId") or ""
            if local(element) == "abstractNum":
                for level in element:
                    if local(level) == "lvl":
                        self._levels[key, _integer(attribute(level, "ilvl"))] = (
                            _child_value(level, "numFmt") or "decimal",
                            _child_value(level, "lvlText") or "",
                            _integer(_child_value(level, "start"), 1),
                        )
            elif local(element) == "num":
                self._abstract[key] = _child_value(element, "abstractNumId") or ""

    def marker(self, style: Style, properties: etree._Element | None) -> tuple[int, str] | None:
        """(depth, marker) of a list item, counting it; None for a paragraph outside lists."""
        if style.number is None or style.number[0] == "0":
            return None
        key, level = style.number
        form, _, start = self._level(key, level)
        if form in ("bullet", "none"):
            return level, "-"
        counts = self._counts[key]
        counts[level] = counts.get(level, start - 1) + 1
        for deeper in [other for other in counts if other > level]:
            del counts[deeper]
        return level, self._draw(key, level, counts)

    def _level(self, key: str, level: int) -> tuple[str, str, int]:
        return self._levels.get((self._abstract.get(key, ""), level), ("bullet", "", 1))

    def _draw(self, key: str, level: int, counts: dict[int, int]) -> str:
        def put(match: re.Match[str]) -> str:
            wanted = int(match[1]) - 1
            form, _, start = self._level(key, wanted)
            return _format(counts.get(wanted, start), form)

        text = re.sub(r"%([1-9])", put, self._level(key, level)[1]).strip()
        return text or "-"


def _format(number: int, form: str) -> str:
    if form in ("lowerLetter", "upperLetter"):
        letter = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 % 5 + 1)
        return letter.upper() if form == "upperLetter" else letter
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        roman = ""
        for value, sign in zip(
            (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
            ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
            strict=True,
        ):
            roman += sign * (number // value)
            number %= value
        return roman.upper() if form == "upperRoman" else roman
    return str(number)


def _outline(properties: etree._Element) -> int | None:
    value = _child_value(properties, "outlineLvl")
    if value is None:
        return None
    level = _integer(value, _BODY_LEVEL)
    return 0 if level >= _BODY_LEVEL else level + 1


def _number(properties: etree._Element, inherited: tuple[str, int] | None) -> tuple[str, int] | None:
    own = _child(properties, "numPr")
    if own is None:
        return inherited
    key = _child_value(own, "numId") or (inherited[0] if inherited else None)
    if key is None:
        return inherited
    return key, min(_integer(_child_value(own, "ilvl")), 8)


def _child(element: etree._Element, tag: str) -> etree._Element | None:
    return next((child for child in element if local(child) == tag), None)


def _child_value(element: etree._Element, tag: str) -> str | None:
    child = _child(element, tag)
    return None if child is None else attribute(child, "val")


def _integer(text: str | None, default: int = 0) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 8 else default
