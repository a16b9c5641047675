"""Both indexes make the same terms of a text, word by word, in every language."""

import gettext
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import django
import pytest

from rag.index.analyzers import LANGUAGES, passage_terms, terms
from rag.index.opensearch import Address, Cluster, Form, Meta, analysis, create, layout
from rag.index.opensearch.cluster import Able
from rag.index.opensearch.versions import versions

CATALOGUES = {"no": "nb", "zh": "zh_Hans", "cjk": "ja", "plain": "hi", "en": "en_GB"}
"""Names of Django's own translations, where they differ: some thousand real words of each language."""
SPECIAL = (
    "İstanbul ISPARTA ılık ΣΊΣΥΦΟΣ σοφός ΟΔΥΣΣΕΎΣ Straße STRASSE groß ﬁnally ＡＢＣ１２３ ｶﾞｷﾞ naïve café "
    "L’été aujourd'hui l'homme o'clock don't it’s Ångström Øre œuvre Ærø țară ţară اَلْعَرَبِيَّة المُوَظَّفُونَ "
    "مكتبة الموظفون தமிழ்நாடு हिन्दी पुस्तकें Việt-Nam x² ½ ①② co-operate e.g. U.S.A. 3.14 1,000 foo_bar "
    "a\u0301 \u00ad \u200b \u200d 🙂 東京都 서울에서 北京大学 Москва ё Ёлка ǅ ʼn ĸ ﷺ the THE der und και на в"
)
NAMES = frozenset({"knn", "hybrid"})


@cache
def words(language: str) -> tuple[str, ...]:
    code = CATALOGUES.get(language, language)
    files = sorted(Path(django.__file__).parent.glob(f"**/locale/{code}/LC_MESSAGES/django.mo"))
    found = set(SPECIAL.split(" "))
    for file in files:
        with file.open("rb") as data:
            catalogue = gettext.GNUTranslations(data)._catalog  # type: ignore[attr-defined]
        for source, text in catalogue.items():
            found |= set(re.split(r"[\s%<>=\"]+", f"{text} {source if language == 'en' else ''}"))
    return tuple(sorted(word for word in found if word and len(word) < 60))


@pytest.fixture
def at(opensearch: Address) -> Cluster:
    cluster = Cluster(replace(opensearch, timeout_s=20.0))
    create(cluster, Meta(encoder="x", dimension=8), Form())
    return cluster


def test_the_cluster_keeps_every_term_as_it_is_made_here(at: Cluster) -> None:
    (version,) = versions(at)
    assert version.meta.analyzers.keys() == LANGUAGES.keys()
    for language in LANGUAGES:
        some = words(language)
        assert len(some) > 400, language
        if not analysis.prepared_by_client(version.meta.analyzers, language):
            continue  # by a plugin of this cluster
        for make, said in ((terms, analysis.question_text), (passage_terms, analysis.passage_text)):
            text = "\n".join(some)
            sent = said(version.meta.analyzers, text, language)
            assert cluster_terms(at, version.name, language, sent) == make(text, language)


def cluster_terms(at: Cluster, index: str, language: str, sent: str) -> list[str]:
    """In parts: a cluster gives no more than 10,000 terms at once."""
    found, parts = [], sent.split(" ")
    for start in range(0, len(parts), 5000):
        body = {"field": analysis.field_of(language), "text": " ".join(parts[start : start + 5000])}
        found += [token["token"] for token in admin(at).indices.analyze(index=index, body=body)["tokens"]]
    return found


def admin(at: Cluster):
    """The role of the application has no right to `_analyze`: it never asks for it."""
    from tests.opensearch import VERSIONS, server

    for version in VERSIONS:
        if (found := server(version)) and found.address.urls == at.address.urls:
            return Cluster(found.admin).client
    raise AssertionError("no cluster of this address")


@pytest.mark.parametrize(
    ("abilities", "kinds"),
    [
        (
            NAMES,
            {"ja": "pairs", "ko": "pairs", "zh": "pairs", "cjk": "pairs", "plain": "words", "en": "words"},
        ),
        (
            NAMES | {"icu", "kuromoji", "nori", "smartcn"},
            {"ja": "kuromoji", "ko": "nori", "zh": "smartcn", "cjk": "pairs", "plain": "icu", "en": "words"},
        ),
        (NAMES | {"nori"}, {"ja": "pairs", "ko": "nori", "zh": "pairs", "plain": "words"}),
    ],
)
def test_plugins_analyse_what_they_know_better(abilities: frozenset[str], kinds: Mapping[str, str]) -> None:
    able = Able((3, 6, 0), abilities)
    made = layout.body(Meta(encoder="x", dimension=8), Form(), able)
    analyzers = made["mappings"]["_meta"]["sieve"]["analyzers"]
    assert {language: analyzers[language] for language in kinds} == kinds
    used = {made["mappings"]["properties"][analysis.field_of(language)]["analyzer"] for language in LANGUAGES}
    assert used == made["settings"]["analysis"]["analyzer"].keys()
    text = "ＡＢＣ 東京都"
    assert analysis.question_text(analyzers, text, "ja") == (
        "abc 東京 京都" if kinds["ja"] == "pairs" else "ABC 東京都"
    )
    assert analysis.passage_text(analyzers, text, "ja") == (
        "abc 東 京 都 東京 京都" if kinds["ja"] == "pairs" else "ABC 東京都"
    )


def test_what_an_index_uses_is_what_it_was_made_with() -> None:
    with pytest.raises(KeyError):
        analysis.question_text({}, "text", "en")
    assert analysis.prepared_by_client({"ja": "pairs"}, "ja")
    assert not analysis.prepared_by_client({"ja": "kuromoji"}, "ja")


@pytest.mark.parametrize("language", ["ja", "ko", "zh"])
def test_languages_without_spaces_are_cut_into_pairs(language: str) -> None:
    for text in ("東京都に住む", "서울에서 만나요", "我们在北京大学", "Sieve ２"):
        assert terms(text, language) == terms(text, "cjk")
        assert passage_terms(text, language) == passage_terms(text, "cjk")
