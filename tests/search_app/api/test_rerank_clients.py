"""Sieve asks another Sieve: our dialects of providers, frozen from what these publish, are the clients."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from rag.errors import RerankUnavailable
from rag.rerank import http
from rag.services import Service
from search_app import keys
from tests.search_app.api.test_rerank import FERRY, LIGHTHOUSE, PIER, Words, words

__all__ = ["words"]


@pytest.fixture
def sieve(
    transactional_db: None, live_server: Any, words: Words, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., http.HttpReranker]:
    """A reranker of this site by a dialect of others."""
    _, key = keys.make(User.objects.create_user("program"), "test", ["search"])
    monkeypatch.setenv("SITE_KEY", key)

    def connect(dialect: str, before: str = "", model: str = "scripted", key_env: str = "SITE_KEY") -> Any:
        service = Service(dialect=dialect, url=f"{live_server}{before}", key_env=key_env)
        return http.connect(service, model)

    return connect


@pytest.mark.parametrize("before", ["", "/api"])
@pytest.mark.parametrize("dialect", ["cohere_v1", "cohere_v2", "jina"])
def test_clients_of_others_read_our_answers(sieve: Callable[..., Any], dialect: str, before: str) -> None:
    scores = sieve(dialect, before).score_texts(
        "the ferry leaves", [LIGHTHOUSE, FERRY, PIER], deadline=time.monotonic() + 30
    )
    assert scores.values == pytest.approx((0.5, 0.9526, 0.8808), abs=1e-4)


def test_a_refusal_is_unavailable_to_them(sieve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RerankUnavailable, match="404"):
        sieve("jina", model="nowhere").score_texts("q", ["a"], deadline=time.monotonic() + 30)
    monkeypatch.setenv("BAD_KEY", "sv_none")
    with pytest.raises(RerankUnavailable, match="401|key"):
        sieve("jina", key_env="BAD_KEY").score_texts("q", ["a"], deadline=time.monotonic() + 30)
