"""Every format by the contract: the same harbour text, made in code."""

import json

from rag.parse.base import ParsedDocument
from tests.contracts.parser import ParserContract, words
from tests.rag.parse import samples


class Harbour(ParserContract):
    """Formats that can say all that the harbour text has."""

    HEADINGS = samples.HEADINGS
    LINES = samples.LINES
    TITLE = samples.TITLE

    def test_has_the_words_of_the_markdown(self) -> None:
        assert words(self.parsed().text) == words(" ".join(samples.LINES))


class TestMarkdown(Harbour):
    NAME, MODULE = "a.md", "markdown"

    def sample(self) -> bytes:
        return samples.MARKDOWN.encode()

    def empty(self) -> bytes:
        return b"[//]: # (nothing)\n"


class TestHtml(Harbour):
    NAME, MODULE = "a.html", "html"

    def sample(self) -> bytes:
        return samples.HTML.encode()

    def empty(self) -> bytes:
        return b"<html><head><title>Only a title</title></head><body><script>1</script></body></html>"


class TestDocx(Harbour):
    NAME, MODULE = "a.docx", "docx"

    def sample(self) -> bytes:
        return samples.docx()

    def empty(self) -> bytes:
        return samples.word("<w:p/>")


class TestOdt(Harbour):
    NAME, MODULE = "a.odt", "odf"

    def sample(self) -> bytes:
        return samples.odt()

    def empty(self) -> bytes:
        return samples.odf("<office:text/>")


class TestEpub(Harbour):
    NAME, MODULE = "a.epub", "epub"

    def sample(self) -> bytes:
        return samples.epub(samples.HTML_BODY)

    def empty(self) -> bytes:
        return samples.epub("")


class TestRtf(Harbour):
    NAME, MODULE = "a.rtf", "rtf"

    def sample(self) -> bytes:
        return samples.rtf()

    def empty(self) -> bytes:
        return rb"{\rtf1\ansi\par}"


class TestPptx(Harbour):
    NAME, MODULE = "a.pptx", "pptx"
    PAGES = 3

    def sample(self) -> bytes:
        return samples.pptx()


class TestPdf(ParserContract):
    NAME, MODULE, TITLE = "a.pdf", "pdf", samples.TITLE
    HEADINGS = samples.HEADINGS
    PAGES = 2
    LINES = (samples.TITLE, samples.SECTION, samples.PARAGRAPH, "- Show a white light", "Second page.")

    def sample(self) -> bytes:
        half = samples.PARAGRAPH.index("and dusk")
        page = [
            (22, samples.TITLE),
            (16, samples.SECTION),
            (10, samples.PARAGRAPH[:half]),
            (10, samples.PARAGRAPH[half:]),
            (10, "• " + samples.ITEMS[0]),
            (10, "1"),
        ]
        page[4:4] = [(10, "")] * 2
        page[7:7] = [(10, "")] * 2
        return samples.pdf(page, [(10, "Second page.")])

    def empty(self) -> bytes:
        return samples.pdf([], [])


class TestXlsx(ParserContract):
    NAME, MODULE, TITLE = "fees.xlsx", "xlsx", "Fees"
    HEADINGS = ((1, "Fees"), (1, "Days"))
    PAGES = 2
    LINES = ("Fees", "Berth | Fee", "North | 12", "South | 9", "Days", "2024-02-29 | 0.3 |  |  |  | TRUE")

    def sample(self) -> bytes:
        fees = "".join(
            f'<row><c r="A{n}" t="s"><v>{2 * n - 2}</v></c><c r="B{n}" t="s"><v>{2 * n - 1}</v></c></row>'
            for n in (1, 2, 3)
        )
        days = (
            '<row><c r="A1" s="1"><v>45351</v></c><c r="B1"><v>0.30000000000000004</v></c>'
            '<c r="XFD1" t="b"><v>1</v></c></row>'
        )
        return samples.workbook(Fees=fees, Days=days)

    def empty(self) -> bytes:
        return samples.workbook(Fees='<row><c r="A1"/></row>')


class TestCsv(ParserContract):
    NAME, MODULE, TITLE = "fees.csv", "table", "fees"
    LINES = ("Berth | Fee", "North, by the wall | 12", "South |  | free")

    def sample(self) -> bytes:
        return b'Berth;Fee\r\n"North, by\nthe wall";12\r\nSouth;;free;\r\n'


class TestJson(ParserContract):
    NAME, MODULE, TITLE = "a.json", "json", "a"
    LINES = ("name: North", "fee.day: 1.10", "fee.open: true", "tags: calm", "tags: deep")

    def sample(self) -> bytes:
        return (
            b'{"name": "North", "fee": {"day": 1.10, "open": true, "none": null}, "tags": ["calm", "deep"]}'
        )

    def empty(self) -> bytes:
        return b'{"a": {}, "b": [null]}'


class TestJsonLines(TestJson):
    NAME = "a.jsonl"

    def sample(self) -> bytes:
        records = [{"name": "North", "fee": {"day": "1.10", "open": True}}, {"tags": ["calm", "deep"]}]
        return "\n".join(map(json.dumps, records)).encode()


class TestXml(ParserContract):
    NAME, MODULE, TITLE = "a.xml", "xml", samples.TITLE
    LINES = (samples.TITLE, "Boats moor at the north quay.", "North", "12")

    def sample(self) -> bytes:
        return (
            f'<?xml version="1.0"?><doc><title>{samples.TITLE}</title><p>Boats <b>moor</b> at the\n north'
            f' quay.</p><!-- no --><row a="x"><c>North</c><c>12</c></row></doc>'
        ).encode()

    def empty(self) -> bytes:
        return b"<a><b c='d'/></a>"


class TestText(ParserContract):
    NAME, MODULE, TITLE = "a.txt", "text", "a"
    PAGES = 2
    LINES = (samples.PARAGRAPH, "Second page.")

    def sample(self) -> bytes:
        return f"{samples.PARAGRAPH}\r\n\fSecond page.\n".encode("utf-16")


class TestEml(ParserContract):
    NAME, MODULE, TITLE = "a.eml", "eml", "Straße am Hafen"
    HEADINGS = (
        (1, "Straße am Hafen"),
        (2, "Attachment: rules.md"),
        (3, samples.TITLE),
        (4, samples.SECTION),
    )
    LINES = ("From: Ann <ann@example.org>", "Plain body.", "Attachment: rules.md", *samples.LINES)

    def sample(self) -> bytes:
        from email.message import EmailMessage

        message = EmailMessage()
        message["From"] = "Ann <ann@example.org>"
        message["Subject"] = self.TITLE
        message.set_content("Plain body.\n")
        message.add_alternative("<p>Other body.</p>", subtype="html")
        message.add_attachment(
            samples.MARKDOWN.encode(), maintype="text", subtype="markdown", filename="../rules.md"
        )
        message.add_attachment(b"\x7fELF", maintype="application", subtype="x-elf", filename="tool.bin")
        message.set_boundary("=-=")
        for part in message.iter_parts():
            if part.is_multipart():
                part.set_boundary("-=-")
        return message.as_bytes()

    def test_says_which_attachment_was_not_read(self) -> None:
        skipped = self.parsed().metadata["skipped"]
        assert "tool.bin" in skipped and "not read" in skipped
        assert "Other body" not in self.parsed().text


class TestMsg(ParserContract):
    NAME, MODULE, TITLE = "a.msg", "msg", samples.TITLE
    HEADINGS = ((1, samples.TITLE),)
    LINES = (samples.TITLE, "From: Ann", samples.PARAGRAPH)

    def sample(self) -> bytes:
        return samples.ole(
            {
                "__properties_version1.0": b"",
                "__substg1.0_0037001F": samples.TITLE.encode("utf-16-le"),
                "__substg1.0_0C1A001E": b"Ann",
                "__substg1.0_1000001F": samples.PARAGRAPH.encode("utf-16-le"),
            }
        )


def test_the_sample_reads_as_expected_lines() -> None:
    """The contract's own check can fail: a changed word is found."""
    document: ParsedDocument = TestMarkdown().parsed()
    assert words(document.text.replace("quay", "pier")) != words(" ".join(samples.LINES))
