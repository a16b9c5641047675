"""The same short text in every format, made in code: two headings, a paragraph, a list, a table."""

import io
import struct
import zipfile
from collections.abc import Sequence

TITLE = "Harbour rules"
SECTION = "Mooring"
PARAGRAPH = "Boats moor at the north quay between dawn and dusk; the café opens at six."
ITEMS = ("Show a white light", "Keep the gangway clear")
TABLE = (("Berth", "Fee"), ("North", "12"), ("South", "9"))
HEADINGS = ((1, TITLE), (2, SECTION))
LINES = (
    TITLE,
    SECTION,
    PARAGRAPH,
    *(f"- {item}" for item in ITEMS),
    *(" | ".join(row) for row in TABLE),
)

MARKDOWN = f"""# {TITLE}

## {SECTION}

Boats **moor** at the [north quay](https://example.org/quay) between _dawn_ and dusk; the café opens at six.

* {ITEMS[0]}
* {ITEMS[1]}

| Berth | Fee |
|-------|----:|
| North | 12  |
| South | `9` |
"""
_ROWS = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in TABLE)
HTML_BODY = (
    f"<h1>{TITLE}</h1><h2>{SECTION}</h2><p>Boats <b>moor</b> at the\n<a href='/q'>north quay</a> between"
    f" dawn and dusk; the café opens at six.</p><ul><li>{ITEMS[0]}<li><p>{ITEMS[1]}</p></ul>"
    f"<table><tbody>{_ROWS}</tbody></table>"
)
HTML = f"""<!DOCTYPE html><html lang=en><head><title>{TITLE}</title><meta charset=utf-8>
<style>p {{ color: red }}</style><script>alert("no")</script></head>
<body><nav><a href=/>Home</a></nav>{HTML_BODY}<script>more()</script></body></html>"""

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_TYPES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"


def zipped(members: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def relations(**targets: str) -> str:
    """`kind=target`; the ids are the kinds, with what follows `_` cut off the type."""
    inner = "".join(
        f'<Relationship Id="{key}" Type="{_TYPES}{key.partition("_")[0]}" Target="{target}"/>'
        for key, target in targets.items()
    )
    return (
        "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>"
        f"{inner}</Relationships>"
    )


def word_paragraph(text: str, properties: str = "") -> str:
    return f'<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def word(body: str) -> bytes:
    styles = "".join(f'<w:style w:styleId="H{n}"><w:name w:val="heading {n}"/></w:style>' for n in (1, 2))
    numbering = "".join(
        f'<w:abstractNum w:abstractNumId="{key}"><w:lvl w:ilvl="0"><w:start w:val="1"/>'
        f'<w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl></w:abstractNum>'
        for key, form, text in ((0, "bullet", "•"), (1, "decimal", "%1."))
    ) + "".join(f'<w:num w:numId="{key + 1}"><w:abstractNumId w:val="{key}"/></w:num>' for key in (0, 1))
    return zipped(
        {
            "_rels/.rels": relations(officeDocument="word/document.xml"),
            "word/document.xml": f"<w:document {_W} {_R}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": relations(styles="styles.xml", numbering="numbering.xml"),
            "word/styles.xml": f"<w:styles {_W}>{styles}</w:styles>",
            "word/numbering.xml": f"<w:numbering {_W}>{numbering}</w:numbering>",
        }
    )


def word_list(number: int) -> str:
    return f'<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{number}"/></w:numPr>'


def docx() -> bytes:
    table = "".join(
        "<w:tr>" + "".join(f"<w:tc>{word_paragraph(cell)}</w:tc>" for cell in row) + "</w:tr>"
        for row in TABLE
    )
    return word(
        word_paragraph(TITLE, '<w:pStyle w:val="H1"/>')
        + word_paragraph(SECTION, '<w:pStyle w:val="H2"/>')
        + f"<w:p><w:r><w:t>{PARAGRAPH[:20]}</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        + f'<w:ins><w:r><w:t xml:space="preserve">{PARAGRAPH[20:]}</w:t></w:r></w:ins></w:p>'
        + "".join(word_paragraph(item, word_list(1)) for item in ITEMS)
        + f"<w:tbl>{table}</w:tbl>"
    )


def slide_shape(kind: str, paragraphs: str) -> str:
    head = f'<p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>'
    return f"<p:sp>{head}<p:txBody>{paragraphs}</p:txBody></p:sp>"


def _lines(*texts: str, plain: bool = False) -> str:
    mark = "<a:pPr><a:buNone/></a:pPr>" if plain else ""
    return "".join(f"<a:p>{mark}<a:r><a:t>{text}</a:t></a:r></a:p>" for text in texts)


def presentation(slides: Sequence[str]) -> bytes:
    """Slides by their shapes; their files are numbered against their order."""
    numbers = range(len(slides))
    members: dict[str, str | bytes] = {
        "_rels/.rels": relations(officeDocument="ppt/presentation.xml"),
        "ppt/presentation.xml": f"<p:presentation {_P} {_R}><p:sldIdLst>"
        + "".join(f'<p:sldId r:id="slide_{n}"/>' for n in numbers)
        + "</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(
            **{f"slide_{n}": f"slides/slide{9 - n}.xml" for n in numbers}
        ),
    }
    for number, shapes in enumerate(slides):
        members[f"ppt/slides/slide{9 - number}.xml"] = (
            f"<p:sld {_P} {_A} {_R}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        )
    return zipped(members)


def pptx() -> bytes:
    rows = "".join(
        "<a:tr>" + "".join(f"<a:tc><a:txBody>{_lines(cell)}</a:txBody></a:tc>" for cell in row) + "</a:tr>"
        for row in TABLE
    )
    graphic = f"<a:graphic><a:graphicData><a:tbl>{rows}</a:tbl></a:graphicData></a:graphic>"
    return presentation(
        [
            slide_shape("ctrTitle", _lines(TITLE)),
            slide_shape("body", _lines(PARAGRAPH, plain=True))
            + slide_shape("obj", _lines(*ITEMS))
            + slide_shape("title", _lines(SECTION)),
            f"<p:graphicFrame>{graphic}</p:graphicFrame>" + slide_shape("sldNum", _lines("3")),
        ]
    )


def workbook(**sheets: str) -> bytes:
    """Sheets by name, each the inside of `<sheetData>`. Style 1 is a date; the shared strings are TABLE."""
    shared = "".join(f"<si><t>{cell}</t></si>" for row in TABLE for cell in row)
    members: dict[str, str | bytes] = {
        "_rels/.rels": relations(officeDocument="xl/workbook.xml"),
        "xl/workbook.xml": f"<workbook {_S} {_R}><sheets>"
        + "".join(f'<sheet name="{name}" r:id="worksheet_{name}"/>' for name in sheets)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": relations(
            sharedStrings="strings.xml",
            styles="styles.xml",
            **{f"worksheet_{name}": f"sheets/{name}.xml" for name in sheets},
        ),
        "xl/strings.xml": f"<sst {_S}>{shared}</sst>",
        "xl/styles.xml": f"<styleSheet {_S}>"
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    for name, rows in sheets.items():
        members[f"xl/sheets/{name}.xml"] = f"<worksheet {_S}><sheetData>{rows}</sheetData></worksheet>"
    return zipped(members)


_O = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
)


def odf_table() -> str:
    rows = "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in row)
        + '<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        for row in TABLE
    )
    return f'<table:table table:name="Fees">{rows}</table:table>'


def odf(body: str) -> bytes:
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"<office:document-content {_O}><office:body>{body}</office:body>"
            "</office:document-content>",
        }
    )


def odt() -> bytes:
    items = "".join(f"<text:list-item><text:p>{item}</text:p></text:list-item>" for item in ITEMS)
    return odf(
        f'<office:text><text:h text:outline-level="1">{TITLE}</text:h>'
        f'<text:h text:outline-level="2">{SECTION}</text:h>'
        f"<text:p>{PARAGRAPH.replace(' at ', '<text:s/>at<text:span> </text:span>')}</text:p>"
        f"<text:list>{items}</text:list>{odf_table()}</office:text>"
    )


def epub(chapter: str) -> bytes:
    page = f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body>{chapter}</body></html>'
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OPS/a.opf"/>'
            "</rootfiles></container>",
            "OPS/a.opf": '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
            f"<dc:title>{TITLE}</dc:title></metadata><manifest>"
            '<item id="two" href="b.xhtml"/><item id="one" href="text/a%20b.xhtml"/></manifest>'
            '<spine><itemref idref="one"/><itemref idref="two"/></spine></package>',
            "OPS/text/a b.xhtml": page,
            "OPS/b.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>',
        }
    )


def rtf() -> bytes:
    head = r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial;}}"
    sheet = r"{\stylesheet{\s1 heading 1;}{\s2 heading 2;}}{\info{\title Harbour rules}}{\*\generator X;}"
    items = "".join(r"\pard{\listtext\f1 \'b7\tab}" + item + r"\par" for item in ITEMS)
    rows = "".join(r"\trowd" + "".join(rf"\intbl {c}\cell " for c in row) + r"\row" for row in TABLE)
    text = PARAGRAPH.replace("é", r"\'e9")
    return (
        head
        + sheet
        + rf"\pard\s1 {TITLE}\par\pard\s2 {SECTION}\par\pard\plain {text}\par"
        + items
        + r"\pard "
        + rows
    ).encode("ascii") + b"}"


def pdf(*pages: list[tuple[float, str]]) -> bytes:
    """Pages of (type size, line), written from the top in windows-1252; a line after `**` is bold."""
    objects: list[bytes] = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>"
        % (len(pages), b" ".join(b"%d 0 R" % (5 + 2 * n) for n in range(len(pages)))),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold/Encoding/WinAnsiEncoding>>",
    ]
    for number, lines in enumerate(pages):
        content, y = b"", 760.0
        for size, line in lines:
            y -= size * (1.2 if line else 1)
            escaped = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").encode("cp1252")
            font = b"F2" if line.startswith("**") else b"F1"
            content += b"BT /%s %f Tf 72 %f Td (%s) Tj ET\n" % (font, size, y, escaped.removeprefix(b"**"))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R/F2 4 0 R>>>>"
            b"/Contents %d 0 R>>" % (6 + 2 * number)
        )
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
    out, places = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        out
        + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
        % (
            len(objects) + 1,
            table,
            len(objects) + 1,
            len(out),
        )
    )


def ole(streams: dict[str, bytes]) -> bytes:
    """A compound file ([MS-CFB], version 3) with these streams at its root, each filled up with NULs."""
    padded = {
        name: data.ljust(max(4096, -(-len(data) // 512) * 512), b"\0") for name, data in streams.items()
    }
    entries = [("Root Entry", 5, 0xFFFFFFFE, 0)]
    first = 1 + -(-(len(padded) + 1) // 4)
    directory_sectors = first - 1
    fat = [0xFFFFFFFD] + [n + 1 for n in range(1, directory_sectors)] + [0xFFFFFFFE]
    body = b""
    for name, data in padded.items():
        entries.append((name, 2, first, len(data)))
        count = len(data) // 512
        fat += [*range(first + 1, first + count), 0xFFFFFFFE]
        first += count
        body += data
    directory = b""
    for number, (name, kind, start, size) in enumerate(entries):
        encoded = name.encode("utf-16-le") + b"\0\0"
        right = number + 1 if 0 < number < len(entries) - 1 else 0xFFFFFFFF
        directory += encoded.ljust(64, b"\0") + struct.pack(
            "<HBBIII36xIQ",
            len(encoded),
            kind,
            1,
            0xFFFFFFFF,
            right,
            1 if kind == 5 else 0xFFFFFFFF,
            start,
            size,
        )
    directory = directory.ljust(directory_sectors * 512, b"\0")
    assert len(fat) <= 128
    header = bytes.fromhex("d0cf11e0a1b11ae1") + struct.pack(
        "<16xHHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0
    )
    header += struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    return header + struct.pack("<128I", *fat, *[0xFFFFFFFF] * (128 - len(fat))) + directory + body
