"""Details of single formats that the contract does not reach."""

import struct

import pytest

from rag.parse import select
from rag.parse.clean import clean
from rag.parse.decode import decode
from rag.parse.pdf_lines import mend
from tests.rag.parse import samples


def text_of(data: bytes | str, name: str) -> str:
    return select.parse(data.encode() if isinstance(data, str) else data, name).text


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("a\r\nb\rc\x0bd\u2028e", "a\nb\nc\nd\ne"),
        ("a\x00b\x07c\x85", "abc\n"),
        ("e\u0301 \ud800", "é \ufffd"),
        ("soft\xadhyphen zero\u200bwidth\ufeff", "softhyphen zerowidth"),
        ("a\xa0b\u3000c", "a b c"),
        ("a  \n \n\n\n\nb", "a\n\nb"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("ofﬁce, o\ufb03ce", "offi" + "ce, office"),
        ("abc \u202egnirts", "abc gnirts"),
    ],
)
def test_clean(raw: str, wanted: str) -> None:
    assert clean(raw) == wanted
    assert clean(clean(raw)) == wanted


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("größe".encode(), "größe"),
        ("größe".encode("utf-8-sig"), "größe"),
        ("größe".encode("utf-16"), "größe"),
        ("a long line".encode("utf-16-be"), "a long line"),
        ("größe “so”".encode("cp1252"), "größe “so”"),
        ("größe und länge".encode() * 40 + b"\xff", "größe und länge" * 40 + "\ufffd"),
    ],
)
def test_decode(data: bytes, wanted: str) -> None:
    assert decode(data) == wanted


def test_html_charset_is_believed_only_where_utf8_does_not_fit() -> None:
    page = "<meta charset=koi8-r><p>Порт</p>"
    assert text_of(page.encode("koi8-r"), "a.html") == "Порт"
    assert text_of(page.encode("utf-8"), "a.html") == "Порт"


def test_html_lists_breaks_and_tables_for_layout() -> None:
    markup = (
        "<ol start=3><li>three<ul><li>inner</ul><li>four<p>more</p></ol>"
        "<p>a<br>b</p><div>c<span>d</span> e</div>"
        "<table><tr><td><h2>In a cell</h2><table><tr><td>x<td>y</table></table><pre>  keep\n   this</pre>"
    )
    assert text_of(markup, "a.html") == (
        "3. three\n  - inner\n4. four\n  more\n\na\nb\n\ncd e\n\nIn a cell\n\nx | y\n\n  keep\n   this"
    )


def test_html_keeps_the_boilerplate_of_a_page_that_has_nothing_else() -> None:
    assert text_of("<body><nav><a>Start</a></nav></body>", "a.html") == "Start"


def test_markdown_front_matter_code_and_rules() -> None:
    document = select.parse(
        b"---\ntitle: The quay\ntags: x\n---\nA\n***\n"
        b"```py\nx = 1\n```\n1. one\n2. two\n\n![alt](i.png) \\* &amp; ~~no~~",
        "a.md",
    )
    assert document.title == "The quay"
    assert document.text == "A\n\nx = 1\n\n1. one\n2. two\n\n* & no"


def test_docx_numbers_notes_boxes_and_nested_numbers() -> None:
    box = "<w:r><w:txbxContent>" + samples.word_paragraph("In the box") + "</w:txbxContent></w:r>"
    body = (
        samples.word_paragraph("first", samples.word_list(2))
        + samples.word_paragraph("second", samples.word_list(2))
        + f"<w:p><w:r><w:t>Anchor</w:t></w:r>{box}</w:p>"
        + "<w:sdt><w:sdtContent>" + samples.word_paragraph("In a control") + "</w:sdtContent></w:sdt>"
        + samples.word_paragraph("Own level", '<w:outlineLvl w:val="2"/>')
    )  # fmt: skip
    document = select.parse(samples.word(body), "a.docx")
    assert document.text == "1. first\n2. second\n\nAnchor\n\nIn the box\n\nIn a control\n\nOwn level"
    assert [(h.level, h.text) for h in document.headings] == [(3, "Own level")]


def test_spreadsheets_of_opendocument_have_pages() -> None:
    data = samples.odf(f"<office:spreadsheet>{samples.odf_table()}</office:spreadsheet>")
    document = select.parse(data, "a.ods")
    assert document.pages == (0,)
    assert document.text == "Fees\n\nBerth | Fee\nNorth | 12\nSouth | 9"


def test_rtf_code_pages_unicode_and_hidden_text() -> None:
    data = (
        rb"{\rtf1\ansi\ansicpg1250{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}{\f2\fcharset128 C;}}"
        rb"\'f8 {\f1 \'cf\'ee\'f0\'f2} {\f2 \'93\'fa\'96{}\'7b} \u8364\'80 {\v hidden}\uc0\u233  end"
        rb"{\*\unknown no}{\field{\*\fldinst HYPERLINK x}{\fldrslt link}}\par}"
    )
    assert text_of(data, "a.rtf").startswith("ř Порт 日")
    assert text_of(data, "a.rtf").endswith("€ é endlink")
    assert "hidden" not in text_of(data, "a.rtf")


def test_pdf_hyphens() -> None:
    known = {"retrieval", "dual-encoder"}
    assert mend("re\ufffetrieval", known) == "retrieval"
    assert mend("dual\ufffeencoder", known) == "dual-encoder"
    assert mend("Lucene\ufffeBM25", known) == "Lucene-BM25"
    assert mend("never\ufffeseen", known) == "neverseen"


def test_pdf_with_a_line_before_its_header() -> None:
    assert text_of(b"\xef\xbb\xbf" + samples.pdf([(12, "One line.")]), "a.pdf") == "One line."


def test_csv_of_one_column_keeps_its_commas_out() -> None:
    assert text_of("name\nNorth\nSouth\n", "a.csv") == "name\nNorth\nSouth"
    assert text_of("a\tb,c\nd\te,f\n", "a.tsv") == "a | b,c\nd | e,f"


def test_mail_in_html_and_in_an_old_code_page() -> None:
    mail = (
        b"Subject: =?koi8-r?B?8M/S1A==?=\r\nContent-Type: text/html; charset=koi8-r\r\n\r\n<p>"
        + "Берег".encode("koi8-r")
        + b"</p>"
    )
    document = select.parse(mail, "a.eml")
    assert document.title == "Порт"
    assert document.text.endswith("Берег")


def test_slides_number_their_lists_through_inner_lists() -> None:
    def line(text: str, mark: str, level: int = 0) -> str:
        return f'<a:p><a:pPr lvl="{level}">{mark}</a:pPr><a:r><a:t>{text}</a:t></a:r></a:p>'

    number = '<a:buAutoNum type="arabicPeriod"/>'
    inner = '<a:buChar char="x"/>'
    shapes = line("one", number) + line("sub", inner, 1) + line("two", number) + line("end", "<a:buNone/>")
    again = line("five", '<a:buAutoNum startAt="5"/>') + line("six", '<a:buAutoNum startAt="5"/>')
    data = samples.presentation([samples.slide_shape("body", shapes + again)])
    assert text_of(data, "a.pptx") == "1. one\n  - sub\n2. two\n\nend\n\n5. five\n6. six"


def test_a_bold_line_set_off_on_a_slide_is_a_heading() -> None:
    line = (
        '<a:p><a:pPr><a:spcBef><a:spcPts val="3000"/></a:spcBef><a:buNone/></a:pPr>'
        '<a:r><a:rPr b="1"/><a:t>Fees</a:t></a:r></a:p>'
    )
    document = select.parse(samples.presentation([samples.slide_shape("body", line)]), "a.pptx")
    assert [(h.level, h.text) for h in document.headings] == [(3, "Fees")]


def test_outlook_strings_are_in_the_message_code_page() -> None:
    table = bytes(32) + struct.pack("<IIQ", 0x3FFD0003, 6, 1251)
    data = samples.ole(
        {
            "__properties_version1.0": table,
            "__substg1.0_0037001E": "Порт".encode("cp1251"),
            "__substg1.0_1000001E": b"Body",
        }
    )
    assert select.parse(data, "a.msg").title == "Порт"


def test_pdf_headings_by_weight_and_number() -> None:
    body = [(10.0, "Plain words of the text run here.")] * 20
    page = [(20.0, "The whole quay"), (10.0, ""), (10.0, "**3.1 Fees"), (10.0, ""), *body]
    document = select.parse(samples.pdf(page), "a.pdf")
    assert document.title == "The whole quay"
    assert [(h.level, h.text) for h in document.headings] == [(1, "The whole quay"), (3, "3.1 Fees")]
