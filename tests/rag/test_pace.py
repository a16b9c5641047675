import pytest

from rag.pace import Pace, Paces, share_ms


def learned(*observed: tuple[int, float]) -> Pace:
    pace = Pace()
    for tokens, ms in observed:
        pace.learn(tokens, ms)
    return pace


def test_nothing_is_expected_before_anything_was_seen() -> None:
    pace = Pace()
    assert pace.expected_ms(100) is None
    assert pace.reach([100] * 9, 0.001) == 9


def test_a_call_and_a_token_are_told_apart() -> None:
    pace = learned(*((n, 30 + 0.5 * n) for n in (100, 400, 200, 800, 100)))
    expected = pace.expected_ms(1000)
    assert expected is not None
    assert 530 <= expected <= 530 * 1.3  # on the safe side
    fewer = pace.expected_ms(10)
    assert fewer is not None and fewer > 30


def test_one_observation_is_taken_in_proportion() -> None:
    assert learned((100, 50.0)).expected_ms(200) == pytest.approx(100 * 1.05)


def test_a_machine_that_became_slower_is_noticed() -> None:
    pace = learned(*[(n, 0.1 * n) for n in (100, 200, 300)], *[(n, 1.0 * n) for n in (100, 200, 300) * 10])
    expected = pace.expected_ms(200)
    assert expected is not None and expected > 180


def test_who_loses_everything_at_its_deadline_is_asked_for_no_more_than_fits() -> None:
    pace = learned((100, 100.0), (400, 400.0))
    assert pace.reach([100] * 10, 500) == 10  # it may well keep what it has
    pace.at_the_deadline = "prefix"
    assert pace.reach([100] * 10, 500) == 10
    pace.at_the_deadline = "nothing"
    assert pace.reach([100] * 10, 500) == 4
    assert pace.reach([100] * 10, 0) == 1, "one text is tried, or nothing would ever be learned again"
    assert pace.reach([], 500) == 0


def test_who_ended_late_is_told_to_end_sooner() -> None:
    pace = Pace()
    assert pace.margin_ms(1000) == 0
    pace.learn_late(30)
    assert pace.margin_ms(1000) == 30
    assert pace.margin_ms(40) == 20, "a margin takes half of the time at most"
    for _ in range(100):
        pace.learn_late(-5)
    assert 5 < pace.margin_ms(1000) < 15


def test_stages_share_a_shortage_by_what_they_want() -> None:
    assert share_ms(1000, [300, 500]) == 500  # all that the other leaves
    assert share_ms(400, [300, 500]) == pytest.approx(150)
    assert share_ms(0, [300, 500]) == 0
    assert share_ms(250, [500]) == 250


def test_a_pace_is_kept_by_fingerprint() -> None:
    paces = Paces()
    assert paces.of("a") is paces.of("a")
    assert paces.of("a") is not paces.of("b")
