"""The verifier that needs no model."""

import time

import pytest

from rag.answers import Answer
from rag.spec import VerifySpec
from rag.verify.overlap import Features, OverlapVerifier, build, carried, hold
from tests.contracts.verifier import CONTEXT, VerifierContract, check
from tests.rag.build import passage

THRESHOLD = 0.5


@pytest.fixture(name="verifier")
def _verifier() -> OverlapVerifier:
    return OverlapVerifier(THRESHOLD)


class TestContract(VerifierContract):
    @pytest.fixture
    def verifier(self) -> OverlapVerifier:
        return OverlapVerifier(THRESHOLD)


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("The lighthouse was built in 1895 by Dr. Berg [1].", "What it cites does not have “1895”."),
        ("The lighthouse was built in 1859 by Dr. Olsen [1].", "What it cites does not have “Olsen”."),
        ("It flashes at night [1].", "It denies what its passage does not deny, or the other way round."),
        ("The ferry does not leave at seven in the morning [1].", "It denies what its passage does not deny"),
        ("The lighthouse was built in 1859 by Dr. Berg [2].", "What it cites does not have “1859”, “Berg”."),
    ],
)
def test_what_was_changed_is_found_and_named(verifier: OverlapVerifier, sentence: str, reason: str) -> None:
    (one,) = check(verifier, sentence)
    assert one.verdict == "unsupported"
    assert one.reason.startswith(reason.rstrip("."))


def test_each_thing_that_speaks_against_a_sentence_lowers_its_score() -> None:
    clean = Features(*(0.0,) * 6)
    assert carried(clean) > THRESHOLD
    for place in range(6):
        worse = Features(*(float(at == place) for at in range(6)))
        assert carried(worse) <= carried(clean)


def test_features_by_hand() -> None:
    of = [passage(text="The red ferry cost 3 million crowns. It was sold to Norway.")]
    held = hold("The red ferry cost 3 billion crowns in Oslo.", of)
    features = held.features
    assert (features.numbers, features.names, features.denial) == (1.0, 1.0, 0.0)
    assert features.elsewhere == 0.5  # the name, not the number
    assert features.words == pytest.approx((2 / 7 - 1 / 4) * 4)  # billion and Oslo
    assert held.missing == ("Oslo",)


def test_title_and_several_passages_count_as_what_is_cited() -> None:
    two = [passage("a", text="It opened in 1932.", title="Harbour Bridge"), passage("b", text="Tolls ended.")]
    assert hold("The Harbour Bridge opened in 1932.", two).features.words == 0.0


def test_a_sentence_takes_little_time(verifier: OverlapVerifier) -> None:
    answer = Answer("The lighthouse was built by Berg [1]. " * 50, (), "answered")
    began = time.monotonic()
    checks = verifier.check("", answer, CONTEXT, deadline=began + 60)
    assert len(checks) == 50
    assert time.monotonic() - began < 2.0


def test_a_long_run_of_letters_is_not_checked(verifier: OverlapVerifier) -> None:
    (one,) = check(verifier, "x" * 5000 + " [1].")
    assert one.verdict == "unchecked"


def test_a_spec_builds_it() -> None:
    def load(kind: str, backend: str, model: str) -> object:
        raise AssertionError("it needs no other part")

    spec = VerifySpec(backend="overlap", model="", threshold=0.4, budget_ms=100)
    assert build(spec, load).fingerprint != OverlapVerifier(0.5).fingerprint
