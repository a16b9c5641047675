import numpy as np
import pytest

from rag import codes
from rag.codes import TokenCodes, quantise
from tests.rag.test_codes import states

pytestmark = pytest.mark.torch


def test_a_device_gives_the_scores_of_the_processor() -> None:
    pytest.importorskip("torch", reason="no torch here: make setup-torch")
    from rag import codes_torch

    query = states(9, 5)
    passages = [quantise(states(tokens, tokens)) for tokens in (1, 50, 300, 7)]
    passages.insert(2, TokenCodes(np.zeros((0, 48), np.uint8), np.zeros(0, np.float16)))
    expected = codes.maxsim(query, passages)
    assert codes_torch.maxsim(query, passages, "cpu") == pytest.approx(expected, abs=1e-3)
    assert expected[2] == -1.0
