import pytest

from search_app import consistency
from search_app.consistency import Entry, settled
from search_app.models import Removal

pytestmark = pytest.mark.django_db


def test_a_removal_that_is_done_while_one_looks_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consistency, "PAUSE_S", 0)
    Removal.objects.create(document_number=7, version=3)
    looks: list[int] = []

    def look() -> dict[Entry, int]:
        looks.append(1)
        if len(looks) == consistency.LOOKS:  # the index still had it, and then it was taken out
            Removal.objects.all().delete()
        return {("7", 3): 2, ("8", 1): 1}

    assert settled(look).left == {("8", 1)}


def test_what_nobody_takes_out_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consistency, "PAUSE_S", 0)
    Removal.objects.create(document_number=9, version=None)
    assert settled(lambda: {("7", 3): 2, ("9", 4): 1}).left == {("7", 3)}
