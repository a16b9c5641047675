import pytest

from rag.encode.hashing import HashingEncoder
from tests.contracts.encoder import EncoderContract


class TestHashing(EncoderContract):
    @pytest.fixture
    def encoder(self) -> HashingEncoder:
        return HashingEncoder()


def test_the_fingerprint_tells_dimensions_apart() -> None:
    assert HashingEncoder(64).fingerprint != HashingEncoder(128).fingerprint
    assert HashingEncoder(64).fingerprint == HashingEncoder(64).fingerprint
