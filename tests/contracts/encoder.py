"""What every encoder must do. Subclass `EncoderContract` and give the fixture `encoder`."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rag.encode.base import Encoder

TEXTS = [
    "The ferry to the island leaves at seven in the morning.",
    "A lighthouse keeper's log: gale, fog, gale.",
    "Ferry",
    "Prices rose by 3.5 % in 2024; see table 2 (naïve façade, 北京, 👍).",
    "one two three four five six seven eight nine ten " * 20,
]
ODD = ["", " ", "\n\t", "\x00", "\ud800 half a pair", "a" * 5000, "👩‍👩‍👧", "\u200b", "́"]


class EncoderContract:
    def test_vectors_have_unit_length_and_stand_in_the_order_given(self, encoder: Encoder) -> None:
        for encode in (encoder.encode_passages, encoder.encode_queries):
            there, back = encode(TEXTS).vectors, encode(TEXTS[::-1]).vectors
            assert there.dtype == np.float32
            assert there.shape == (len(TEXTS), encoder.dimension)
            assert np.allclose(np.linalg.norm(there, axis=1), 1, atol=1e-5)
            assert np.allclose(there, back[::-1], atol=1e-5)
            assert not np.allclose(there[0], there[1], atol=1e-2)

    def test_a_text_gives_the_same_alone_and_among_others(self, encoder: Encoder) -> None:
        together = encoder.encode_passages(TEXTS)
        for row, text in enumerate(TEXTS):
            alone = encoder.encode_passages([text])
            assert np.allclose(alone.vectors[0], together.vectors[row], atol=1e-5)
            assert np.allclose(alone.states[0], together.states[row], atol=1e-5)

    def test_there_is_a_state_of_unit_length_for_each_token(self, encoder: Encoder) -> None:
        for encode in (encoder.encode_passages, encoder.encode_queries):
            for text, states in zip(TEXTS, encode(TEXTS).states, strict=True):
                assert states.dtype == np.float32
                assert states.shape == (len(encoder.offsets(text)), encoder.dimension)
                assert np.allclose(np.linalg.norm(states, axis=1), 1, atol=1e-5)

    def test_a_text_that_is_too_long_is_cut(self, encoder: Encoder) -> None:
        text = "word " * (encoder.max_tokens + 100)
        encoded = encoder.encode_passages([text])
        assert len(encoded.states[0]) == encoder.max_tokens
        assert len(encoder.offsets(text)) == encoder.max_tokens + 100
        fitting = encoder.encode_passages(["word " * encoder.max_tokens])
        assert np.allclose(encoded.vectors, fitting.vectors, atol=1e-5)

    def test_nothing_gives_nothing(self, encoder: Encoder) -> None:
        for encode in (encoder.encode_passages, encoder.encode_queries):
            assert encode([]).vectors.shape == (0, encoder.dimension)
            assert encode([]).states == ()

    @pytest.mark.parametrize("text", ODD, ids=repr)
    def test_odd_texts_have_vectors_too(self, encoder: Encoder, text: str) -> None:
        for encode in (encoder.encode_passages, encoder.encode_queries):
            encoded = encode([text])
            assert np.isfinite(encoded.vectors).all()
            assert np.allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-5)
            assert encoded.states[0].shape[1] == encoder.dimension
        assert all(0 <= a < b <= len(text) for a, b in encoder.offsets(text))

    def test_offsets_cover_the_words_in_order(self, encoder: Encoder) -> None:
        text = TEXTS[3] + "\n" + TEXTS[0]
        offsets = encoder.offsets(text)
        assert all(a < b for a, b in offsets)
        assert all(before[1] <= after[0] for before, after in zip(offsets, offsets[1:], strict=False))
        covered = "".join(text[a:b] for a, b in offsets)
        assert covered == "".join(text.split())

    def test_offsets_of_a_long_text_are_those_of_its_lines(self, encoder: Encoder) -> None:
        line = TEXTS[3] + "\n"
        one = encoder.offsets(line)
        expected = [(n * len(line) + a, n * len(line) + b) for n in range(700) for a, b in one]
        assert encoder.offsets(line * 700) == expected

    def test_a_passage_on_the_question_is_nearer(self, encoder: Encoder) -> None:
        question = encoder.encode_queries(["When does the ferry leave in the morning?"]).vectors[0]
        near, far = encoder.encode_passages(TEXTS[:2]).vectors @ question
        assert near > far

    def test_threads_may_share_it(self, encoder: Encoder) -> None:
        expected = encoder.encode_queries(TEXTS).vectors
        with ThreadPoolExecutor(8) as pool:
            for vectors in pool.map(lambda _: encoder.encode_queries(TEXTS).vectors, range(16)):
                assert np.allclose(vectors, expected, atol=1e-5)

    def test_the_fingerprint_says_which_encoder(self, encoder: Encoder) -> None:
        assert encoder.fingerprint
        assert encoder.fingerprint == encoder.fingerprint.strip()
