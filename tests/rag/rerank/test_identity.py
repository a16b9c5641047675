from typing import ClassVar

import pytest

from rag.rerank.identity import IdentityReranker
from tests.contracts.reranker import PASSAGES, QUERY, RerankerContract, far


class TestIdentity(RerankerContract):
    BY_TEXT: ClassVar[bool] = False

    @pytest.fixture
    def reranker(self) -> IdentityReranker:
        return IdentityReranker()


def test_the_order_is_kept() -> None:
    assert IdentityReranker().score(QUERY, PASSAGES, deadline=far()).values == (4.0, 3.0, 2.0, 1.0)
