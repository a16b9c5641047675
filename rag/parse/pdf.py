"""PDF by pdfium: lines are joined to paragraphs, headings come from the outline or from type size."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterator

import pypdfium2 as pdfium

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.clean import one_line
from rag.parse.compose import Composer
from rag.parse.package import ENCRYPTED
from rag.parse.pdf_lines import BOLD, Block, Line, lines_of, paragraphs, raw_text, words_of

SUFFIXES = (".pdf",)
MAX_PAGES = 5_000
SCAN = (
    "The PDF has {pages} but no text: it looks like a scan. It needs OCR (text recognition) first; "
    "upload a copy that went through it."
)
_PASSWORD_CODE = 4
"""FPDF_ERR_PASSWORD of fpdfview.h."""
_HEADING_RATIO = 1.12
_MAX_HEADING = 150
_DEEPEST = 6
_MAX_SHARE = 0.25
"""When more of the text than this would be headings, type size says nothing."""
_BULLET = re.compile(r"[•‣▪◦●○∙]\s*")
_BULLET_LINES = re.compile(r"\n(?=[•‣▪◦●○∙])")
_SECTION_NUMBER = re.compile(r"\d{1,2}(\.\d{1,2}){0,3}\.?(?=\s)")
_INFO = {"Author": "author", "Subject": "subject", "CreationDate": "created", "ModDate": "modified"}


def parse(data: bytes, name: str) -> ParsedDocument:
    start = data.find(b"%PDF-", 0, 1024)
    if start < 0:
        raise ParseError("The file is not a PDF, or its beginning is damaged.")
    try:
        document = pdfium.PdfDocument(data[start:])
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_CODE or "assword" in str(error):
            raise ParseError(ENCRYPTED) from error
        raise ParseError(f"The PDF is damaged and cannot be opened ({error}).") from error
    with contextlib.closing(document):
        return _read(document, name)


def _read(document: pdfium.PdfDocument, name: str) -> ParsedDocument:
    number = len(document)
    if not number:
        raise ParseError("The PDF has no pages.")
    if number > MAX_PAGES:
        raise ParseError(f"The PDF has more than {MAX_PAGES:,} pages. Split it into smaller files.")
    pages = list(_pages(document))
    if not any(pages):
        raise ParseError(SCAN.format(pages="a page" if number == 1 else f"{number} pages"))
    outline = _outline(document)
    styles = _Styles(pages)
    headings = None if outline else styles
    title = ""
    composer = Composer()
    for index, page in enumerate(pages):
        composer.page()
        blocks = list(paragraphs(page))
        title = title or (styles.title(blocks) if index == 0 else "")
        if len(blocks) > 1 and blocks[-1].text == str(index + 1):
            blocks.pop()  # The number at the foot of the page.
        for block in blocks:
            _add(composer, block, index, outline, headings)
    info = document.get_metadata_dict(skip_empty=True)
    return composer.finish(
        name,
        title=info.get("Title") or title,
        metadata={_INFO[key]: value for key, value in info.items() if key in _INFO},
    )


def _add(
    composer: Composer,
    block: Block,
    page: int,
    outline: dict[tuple[int, str], int],
    styles: "_Styles | None",
) -> None:
    """Append a block as a heading, as a heading with a paragraph after it, or as a paragraph."""
    first, _, rest = block.text.partition("\n")
    for head, tail in ((block.text, ""), (first, rest)):
        # Bookmarks of some writers point to the page before or after.
        for near in (page, page - 1, page + 1):
            if level := outline.pop((near, _key(head)), 0):
                composer.heading(head, level)
                composer.paragraph(tail)
                return
    level = styles.level(block) if styles and any(map(str.isalpha, block.text)) else 0
    if level:
        composer.heading(block.text, level)
    else:
        _paragraph(composer, block.text)


def _paragraph(composer: Composer, text: str) -> None:
    """Append a paragraph; lines that begin with a bullet are list items."""
    for part in _BULLET_LINES.split(text):
        bullet = _BULLET.match(part)
        if bullet:
            composer.item(part[bullet.end() :])
        else:
            composer.paragraph(part)


def _pages(document: pdfium.PdfDocument) -> Iterator[list[Line]]:
    """Lines of every page; a page that is damaged alone has none."""
    texts: list[str] = []
    broken = 0
    for index in range(len(document)):
        try:
            with (
                contextlib.closing(document[index]) as page,
                contextlib.closing(page.get_textpage()) as layer,
            ):
                texts.append(raw_text(layer))
        except pdfium.PdfiumError:
            texts.append("")
            broken += 1
    if broken == len(texts):
        raise ParseError("The PDF is damaged: none of its pages can be read.")
    words = words_of(texts)
    for index, text in enumerate(texts):
        if not text.strip():
            yield []
            continue
        with contextlib.closing(document[index]) as page, contextlib.closing(page.get_textpage()) as layer:
            yield [line for line in lines_of(layer, text, words) if one_line(line.text)]


def _outline(document: pdfium.PdfDocument) -> dict[tuple[int, str], int]:
    """(page index, key of the title) to level, from the bookmarks."""
    found: dict[tuple[int, str], int] = {}
    try:
        for mark in document.get_toc(max_depth=6):
            target = mark.get_dest()
            page = target.get_index() if target else None
            if page is not None and _key(mark.get_title()):
                found[page, _key(mark.get_title())] = mark.level + 1
    except (pdfium.PdfiumError, UnicodeDecodeError):
        return {}
    return found


class _Styles:
    """How headings look where no bookmarks say it: larger than most characters, or bold and alone."""

    def __init__(self, pages: list[list[Line]]) -> None:
        sizes: Counter[float] = Counter()
        weights: Counter[int] = Counter()
        for line in (line for page in pages for line in page):
            sizes[line.size] += len(line.text)
            weights[line.weight] += len(line.text)
        self._size, self._weight = sizes.most_common(1)[0][0], weights.most_common(1)[0][0]
        total = sizes.total()
        large = sorted((size for size in sizes if size >= self._size * _HEADING_RATIO), reverse=True)
        if sum(sizes[size] for size in large) > _MAX_SHARE * total:
            large = []
        self._levels = {size: min(level, _DEEPEST) for level, size in enumerate(large, 1)}
        bold = sum(count for weight, count in weights.items() if weight > BOLD * self._weight)
        self._bold = bold <= _MAX_SHARE * total

    def level(self, block: Block) -> int:
        """Level of a block that looks like a heading, else 0."""
        if len(block.text) > _MAX_HEADING or block.text.endswith((".", ",", ";", ":")):
            return 0
        if level := self._levels.get(block.size):
            return level
        bold = self._bold and block.weight > BOLD * self._weight and block.size >= self._size
        below = len(self._levels) + 1 + _numbered(block.text)
        return min(below, _DEEPEST) if bold and block.text.count("\n") <= 1 else 0

    def title(self, blocks: list[Block]) -> str:
        """The largest block of the first page, if it is larger than text."""
        found = max(blocks, key=lambda block: block.size, default=None)
        return (
            found.text if found and self._levels.get(found.size) and len(found.text) <= _MAX_HEADING else ""
        )


def _numbered(text: str) -> int:
    """Dots inside the number of a heading: 1 for `3.2 Training`."""
    match = _SECTION_NUMBER.match(text)
    return match[0].rstrip(".").count(".") if match else 0


def _key(text: str) -> str:
    """Letters and digits of a heading without the number before it."""
    text = re.sub(r"^[\dA-Z]?[\d.]*[.)]?\s+", "", one_line(text)) or text
    return "".join(character for character in text.casefold() if character.isalnum())
