import numpy as np
import pytest

from rag.codes import TokenCodes, maxsim, quantise, rotation
from rag.encode.base import Floats


def states(tokens: int, seed: int, dimension: int = 384) -> Floats:
    drawn = np.random.default_rng(seed).standard_normal((tokens, dimension)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_the_rotation_is_orthogonal_and_always_the_same() -> None:
    turn = rotation(384)
    assert np.allclose(turn @ turn.T, np.eye(384), atol=1e-5)
    assert turn[0, :3] == pytest.approx([0.0833374, -0.0259907, -0.0249575], abs=1e-5)


def test_a_token_takes_forty_eight_bytes_and_its_factor() -> None:
    codes = quantise(states(10, 1))
    data = codes.to_bytes()
    assert len(data) == 10 * (48 + 2)
    read = TokenCodes.from_bytes(data, 384)
    assert np.array_equal(read.bits, codes.bits)
    assert np.array_equal(read.factors, codes.factors)
    assert len(TokenCodes.from_bytes(b"", 384).factors) == 0
    with pytest.raises(ValueError, match="no token codes"):
        TokenCodes.from_bytes(data[:-1], 384)


def test_the_estimate_of_a_cosine_has_no_bias() -> None:
    queries = states(1000, 2)
    for share in (0.0, 0.7, 2.0):
        tokens = share * queries + states(1000, 3)
        tokens /= np.linalg.norm(tokens, axis=1, keepdims=True)
        exact = np.einsum("nd,nd->n", queries, tokens)
        pairs = zip(queries, tokens, strict=True)
        error = np.array([maxsim(q[None], [quantise(t[None])])[0] for q, t in pairs]) - exact
        assert abs(error.mean()) < 0.006
        assert error.std() < 0.06


def test_maxsim_is_the_mean_of_the_best() -> None:
    query = states(14, 5)

    def passage(tokens: int) -> Floats:
        near = np.concatenate([query + 0.5 * states(14, tokens), states(tokens, tokens)])
        return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)

    # More tokens than one block, and lengths that cross its edge.
    passages = [passage(n) for n in (1, 164, 1700, 3, 512, 90)]
    exact = [float((query @ p.T).max(axis=1).mean()) for p in passages]
    assert maxsim(query, [quantise(p) for p in passages]) == pytest.approx(exact, abs=0.03)


def test_maxsim_of_itself_is_near_one_and_beats_all_others() -> None:
    query = states(8, 6)
    scores = maxsim(query, [quantise(states(100, 7)), quantise(query), quantise(states(100, 8))])
    assert scores[1] == pytest.approx(1.0, abs=0.02)
    assert scores.argmax() == 1


def test_scores_do_not_depend_on_the_company() -> None:
    query = states(5, 9)
    passages = [quantise(states(n, n)) for n in (2000, 5, 40)]
    together = maxsim(query, passages)
    assert together == pytest.approx([maxsim(query, [p])[0] for p in passages], abs=1e-5)


def test_a_passage_or_a_query_without_tokens() -> None:
    empty = quantise(np.zeros((0, 384), np.float32))
    query = states(3, 1)
    scores = maxsim(query, [empty, quantise(query), empty])
    assert scores[0] == scores[2] == -1.0
    assert scores[1] > 0.9
    assert maxsim(query, []).shape == (0,)
    assert maxsim(query, [empty]).tolist() == [-1.0]
    assert maxsim(query[:0], [quantise(query)]).tolist() == [-1.0]
