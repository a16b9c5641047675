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
from rag.parse.pdf_lines import Block, Line, lines_of, paragraphs, raw_text, words_of

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
_MAX_SHARE = 0.25
"""When more of the text than this would be headings, type size says nothing."""
_BULLET = re.compile(r"[•‣▪◦●○∙]\s*")
_BULLET_LINES = re.compile(r"\n(?=[•‣▪◦●○∙])")
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
    sizes = {} if outline else _heading_sizes(pages)
    composer = Composer()
    for index, page in enumerate(pages):
        composer.page()
        blocks = list(paragraphs(page))
        if len(blocks) > 1 and blocks[-1].text == str(index + 1):
            blocks.pop()  # The number at the foot of the page.
        for block in blocks:
            _add(composer, block, index, outline, sizes)
    info = document.get_metadata_dict(skip_empty=True)
    return composer.finish(
        name,
        title=info.get("Title", ""),
        metadata={_INFO[key]: value for key, value in info.items() if key in _INFO},
    )


def _add(
    composer: Composer,
    block: Block,
    page: int,
    outline: dict[tuple[int, str], int],
    sizes: dict[float, int],
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
    level = sizes.get(block.size, 0)
    if level and len(block.text) <= _MAX_HEADING and any(map(str.isalpha, block.text)):
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


def _heading_sizes(pages: list[list[Line]]) -> dict[float, int]:
    """Type sizes clearly above that of most characters, to heading levels; none when they are common."""
    counts: Counter[float] = Counter()
    for page in pages:
        for line in page:
            counts[line.size] += len(line.text)
    body = counts.most_common(1)[0][0]
    large = sorted((size for size in counts if size >= body * _HEADING_RATIO), reverse=True)
    if sum(counts[size] for size in large) > _MAX_SHARE * counts.total():
        return {}
    return {size: min(level, 6) for level, size in enumerate(large, 1)}


def _key(text: str) -> str:
    """Letters and digits of a heading without the number before it."""
    text = re.sub(r"^[\dA-Z]?[\d.]*[.)]?\s+", "", one_line(text)) or text
    return "".join(character for character in text.casefold() if character.isalnum())
