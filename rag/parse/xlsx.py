"""Excel workbooks: every sheet is a page and a heading, every row with a value a line."""

import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from lxml import etree

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer
from rag.parse.package import Package, attribute, core_properties, local, main_part, relations

SUFFIXES = (".xlsx", ".xlsm")
MAX_CELLS = 2_000_000
_MAX_GAP = 3
"""Longer runs of empty cells inside a row count as one."""
_DATE_IDS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_REFERENCE = re.compile(r"([A-Z]{1,3})\d+")


def parse(data: bytes, name: str) -> ParsedDocument:
    package = Package(data)
    main = main_part(package, "xl/workbook.xml")
    targets = relations(package, main)
    parts = {kind: target for kind, target in targets.values() if target in package}
    workbook = package.xml(main)
    strings = _strings(package.read(parts["sharedStrings"])) if "sharedStrings" in parts else []
    dates = _date_styles(package.xml(parts["styles"])) if "styles" in parts else []
    era = any(local(e) == "workbookPr" and attribute(e, "date1904") in ("1", "true") for e in workbook)
    cells = _Cells(strings, dates, datetime(1904, 1, 1) if era else datetime(1899, 12, 30))
    composer = Composer()
    filled = False
    for sheet in workbook.iter():
        if local(sheet) != "sheet":
            continue
        identity = [v for k, v in sheet.attrib.items() if str(k).endswith("}id")]
        kind, target = targets.get(str(identity[0]) if identity else "", ("", ""))
        if kind != "worksheet" or target not in package:
            continue
        composer.page()
        composer.heading(attribute(sheet, "name") or "", 1)
        for row in cells.rows(package.read(target)):
            filled = filled or any(row)
            composer.row(row)
    if not filled:
        raise ParseError("The workbook has no cell with a value.")
    title, metadata = core_properties(package)
    return composer.finish(name, title=title or _stem(composer, name), metadata=metadata)


def _stem(composer: Composer, name: str) -> str:
    """`Sheet1` says less than the name of the file."""
    return name.rpartition(".")[0] if re.fullmatch(r"\w+ ?\d+", composer.headings[0].text) else ""


class _Cells:
    def __init__(self, strings: list[str], dates: list[bool], epoch: datetime) -> None:
        self._strings = strings
        self._dates = dates
        self._epoch = epoch
        self._left = MAX_CELLS

    def rows(self, data: bytes) -> Iterator[list[str]]:
        """Values of each row, streamed: the size that a sheet claims is never used."""
        for element in _stream(data, "row"):
            row: list[str] = []
            column = 0
            for cell in element:
                if local(cell) != "c":
                    continue
                self._left -= 1
                if self._left < 0:
                    raise ParseError(f"The workbook has more than {MAX_CELLS:,} cells.")
                value = self._value(cell)
                place = _column(attribute(cell, "r"), column)
                if value:
                    row += [""] * (min(place - column, _MAX_GAP) if row else 0)
                    row.append(value)
                    column = place + 1
            yield row

    def _value(self, cell: etree._Element) -> str:
        kind = attribute(cell, "t") or "n"
        if kind == "inlineStr":
            return "".join(e.text or "" for e in cell.iter() if local(e) == "t")
        text = next((child.text or "" for child in cell if local(child) == "v"), "").strip()
        if kind == "s":
            return self._strings[int(text)] if text.isdecimal() and int(text) < len(self._strings) else ""
        if kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(text, text)
        if kind != "n" or not text:
            return text
        style = attribute(cell, "s") or "0"
        index = int(style) if style.isdecimal() else 0
        return self._number(text, dated=index < len(self._dates) and self._dates[index])

    def _number(self, text: str, *, dated: bool) -> str:
        try:
            number = float(text)
        except ValueError:
            return text
        if dated and 0 <= number < 2_958_466:
            # Excel's last day is 9999-12-31.
            moment = self._epoch + timedelta(days=number)
            if number < 1:
                return f"{moment:%H:%M:%S}"
            return f"{moment:%Y-%m-%d}" if number == int(number) else f"{moment:%Y-%m-%d %H:%M}"
        # 15 digits are what Excel shows; the file may have 0.30000000000000004.
        return f"{number:.15g}" if abs(number) < 1e15 else text


def _strings(data: bytes) -> list[str]:
    """Shared strings in order, without the readings that East Asian text may carry."""
    found = []
    for element in _stream(data, "si"):
        parts = []
        for child in element:
            if local(child) == "t":
                parts.append(child.text or "")
            elif local(child) == "r":
                parts += [e.text or "" for e in child if local(e) == "t"]
        found.append("".join(parts))
    return found


def _stream(data: bytes, tag: str) -> Iterator[etree._Element]:
    """Elements of that tag, each freed after use."""
    events = etree.iterparse(
        io.BytesIO(data), events=("end",), tag=f"{{*}}{tag}",
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
    )  # fmt: skip
    try:
        for _, element in events:
            yield element
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise ParseError(f"The file is damaged: its XML is not well formed ({error.msg}).") from error


def _date_styles(root: etree._Element) -> list[bool]:
    """For each cell format: does it show a date or a time?"""
    dated = set(_DATE_IDS)
    for element in root.iter():
        if local(element) == "numFmt":
            code = _QUOTED.sub("", attribute(element, "formatCode") or "").split(";")[0].lower()
            key = attribute(element, "numFmtId") or ""
            if key.isdecimal():
                (dated.add if re.search(r"[ymdhs]", code) and "general" not in code else dated.discard)(
                    int(key)
                )
    formats = next((element for element in root if local(element) == "cellXfs"), None)
    keys = [attribute(form, "numFmtId") or "" for form in formats] if formats is not None else []
    return [key.isdecimal() and int(key) in dated for key in keys]


def _column(reference: str | None, default: int) -> int:
    """`C7` is column 2."""
    match = _REFERENCE.fullmatch(reference or "")
    if not match:
        return default
    number = 0
    for letter in match[1]:
        number = number * 26 + ord(letter) - 64
    return number - 1
