from rag.types import context_of, with_context


def test_search_text_has_title_and_headings_once() -> None:
    assert context_of("Guide", ("guide", "Install", "Linux")) == "Guide > Install > Linux"
    assert with_context("", (), "text") == "text"
    assert with_context("Guide", (), "text") == "Guide\ntext"
