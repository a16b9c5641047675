"""Documents: the original file with headers that keep it harmless, and long texts shown in parts."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from search_app import contents
from search_app.models import Collection, Document, DocumentVersion
from search_app.pages.document import PART, document_context, part_of
from tests.rag.parse.samples import pdf


def keep(document: Document, data: bytes) -> None:
    kept = contents.put([data])
    DocumentVersion.objects.filter(document=document, version=document.version).update(
        content_hash=kept.sha256
    )


@pytest.fixture
def ferry(filled: None, settings: object, tmp_path: Path) -> Document:
    settings.CONTENT_DIR = tmp_path / "contents"
    document = Document.objects.get(name="notes/ferry.md")
    keep(document, b"# Ferry\n\noriginal bytes")
    return document


def test_an_original_is_saved_not_shown(ferry: Document, client: Client) -> None:
    response = client.get(f"/documents/{ferry.pk}/file")
    assert b"".join(response.streaming_content) == b"# Ferry\n\noriginal bytes"
    assert response.headers["Content-Disposition"] == 'attachment; filename="ferry.md"'
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, no-store"
    assert b"Save the original" in client.get(f"/documents/{ferry.pk}").content


def test_a_pdf_opens_at_the_cited_page(ferry: Document, client: Client) -> None:
    Document.objects.filter(pk=ferry.pk).update(format="pdf", name="notes/a ferry.pdf")
    keep(ferry, pdf([(12, "Ferry")]))
    DocumentVersion.objects.filter(document=ferry).update(pages=[0, 9])
    response = client.get(f"/documents/{ferry.pk}/file")
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Content-Disposition"] == 'inline; filename="a ferry.pdf"'
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = client.get(f"/documents/{ferry.pk}?version=1&start=12&end=18").content.decode()
    assert f'href="/documents/{ferry.pk}/file#page=2"' in page


@pytest.mark.parametrize(
    "name",
    ['a"; filename=evil.html\r\nSet-Cookie: x=1', "..", "x/‮fdp.exe", "ü" * 300 + ".txt", "\n", "文 件.txt"],
)
def test_no_name_breaks_out_of_the_header(ferry: Document, client: Client, name: str) -> None:
    Document.objects.filter(pk=ferry.pk).update(name=name)
    response = client.get(f"/documents/{ferry.pk}/file")
    assert response.status_code == 200
    said = response.headers["Content-Disposition"]
    assert said.startswith("attachment; filename") and not set(said) & set("\r\n\u202e")
    assert "Set-Cookie" not in response.headers


def test_the_original_is_for_who_may_read_the_document(ferry: Document, client: Client, dana: User) -> None:
    Collection.objects.filter(name="notes").update(public=False)
    assert client.get(f"/documents/{ferry.pk}/file").status_code == 404
    client.force_login(dana)
    assert client.get(f"/documents/{ferry.pk}/file").status_code == 404
    Collection.objects.get(name="notes").readers.add(dana)
    assert client.get(f"/documents/{ferry.pk}/file").status_code == 200


def test_a_file_that_is_not_kept_is_not_offered(ferry: Document, client: Client) -> None:
    for content_hash in ("", "0" * 64):
        DocumentVersion.objects.filter(document=ferry).update(content_hash=content_hash)
        assert client.get(f"/documents/{ferry.pk}/file").status_code == 404
        assert b"original" not in client.get(f"/documents/{ferry.pk}").content
    assert client.get("/documents/999/file").status_code == 404


def test_only_the_current_version_is_served(ferry: Document, client: Client) -> None:
    DocumentVersion.objects.create(
        document=ferry,
        version=9,
        text="x",
        content_hash=contents.put([b"the one that is not current"]).sha256,
    )
    body = b"".join(client.get(f"/documents/{ferry.pk}/file").streaming_content)
    assert body == b"# Ferry\n\noriginal bytes"


# --- Long texts --------------------------------------------------------------------------------------------

LINE = "The ferry sails whatever the weather says, and comes back when it can.\n"


@pytest.mark.parametrize("at", [0, 1, 399_999, 400_000, 799_999, 9_000_000])
@pytest.mark.parametrize("text", [LINE * 11_268, "x" * 800_028])
def test_the_part_holds_the_place_asked_for(text: str, at: int) -> None:
    first, last = part_of(text, at)
    assert 0 <= first < last <= len(text)
    assert last - first <= PART
    assert first <= min(at, len(text) - 1) < last


def test_parts_lead_from_one_to_the_next_over_the_whole_text() -> None:
    text = LINE * 5_000
    at: int | None = 0
    reached = 0
    for _ in range(30):
        context = document_context("Long", text, at=at)
        first, last = context["part"]
        assert first <= reached
        reached, at = last, context["after"]
        if at is None:
            break
    assert reached == len(text)
    while context["before"] is not None:
        before = context["part"][0]
        context = document_context("Long", text, at=context["before"])
        assert context["part"][0] < before <= context["part"][1]
    assert context["part"][0] == 0


def test_a_cited_place_in_a_long_text_is_shown_with_its_heading_and_page() -> None:
    text = LINE * 5_000
    start = text.index("weather", 200_000)
    headings = [(0, 1, "Begin"), (start // len(LINE) * len(LINE), 2, "The ferry"), (len(text) - 80, 2, "End")]
    context = document_context("Long", text, headings, [0, 150_000], (start, start + 7))
    marked = [piece.text for block in context["blocks"] for piece in block.pieces if piece.cited]
    assert marked == ["weather"] and context["has_span"] and context["cited_page"] == 2
    assert [entry["at"] is None for entry in context["outline"]] == [False, True, False]
    elsewhere = document_context("Long", text, headings, [], (start, start + 7), at=0)
    assert not elsewhere["has_span"] and elsewhere["cited_at"] == start


def test_ten_megabytes_open_fast(ferry: Document, client: Client) -> None:
    text = LINE * (10_000_000 // len(LINE))
    DocumentVersion.objects.filter(document=ferry).update(text=text)
    start = len(text) // 2
    began = time.perf_counter()
    response = client.get(f"/documents/{ferry.pk}?version=1&start={start}&end={start + 9}")
    assert time.perf_counter() - began < 2  # a page of all of it takes many times as long
    assert b'id="cited"' in response.content
    assert len(response.content) < 5 * PART


def test_a_long_document_is_read_on_by_its_links(ingest: Callable, folder: Path, client: Client) -> None:
    (folder / "long.txt").write_text(LINE * 4_000)
    ingest(folder)
    row = Document.objects.get(name="notes/long.txt")
    page = client.get(f"/documents/{row.pk}").content.decode()
    assert "A long document" in page and 'rel="next"' in page and 'rel="prev"' not in page
    following = page.split('href="?at=')[1].split('"')[0]
    page = client.get(f"/documents/{row.pk}?at={following}").content.decode()
    assert 'rel="next"' in page and 'rel="prev"' in page
    assert client.get(f"/documents/{row.pk}?at=99999999999").status_code == 200
