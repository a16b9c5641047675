"""Who may work on a row: order, leases, fences, attempts."""

import threading
from datetime import timedelta

import pytest
from django.db import close_old_connections, connection
from django.utils import timezone

from search_app import claims, services
from search_app.models import Collection, Document


@pytest.fixture
def notes(db: None) -> Collection:
    return services.collection("notes")


def row(collection: Collection, name: str, **values: object) -> Document:
    return Document.objects.create(collection=collection, name=name, **values)


def again(document: Document) -> Document:
    document.refresh_from_db()
    return document


def test_a_claim_is_a_lease_under_a_new_fence(notes: Collection) -> None:
    document = row(notes, "a.txt", fence=4)
    now = timezone.now()
    (claim,) = claims.claim(5, now=now, lease_s=30)
    document = again(document)
    assert (claim.fence, claim.attempts, claim.collection) == (5, 1, "notes")
    assert (document.fence, document.attempts, document.state) == (5, 1, "working")
    assert document.lease_until == now + timedelta(seconds=30)
    assert claims.claim(5, now=now) == []


def test_the_longest_queued_comes_first_and_suspects_last_and_alone(notes: Collection) -> None:
    now = timezone.now()
    for minutes, name, attempts in [(1, "new", 0), (9, "old", 0), (20, "twice", 2), (20, "once", 1)]:
        row(notes, name, queued=now - timedelta(minutes=minutes), attempts=attempts)
    assert [c.name for c in claims.claim(1)] == ["old"]
    assert [c.name for c in claims.claim(9)] == ["new"]
    assert claims.claim(9, alone=False) == []
    assert [c.name for c in claims.claim(9)] == ["once"]
    assert [c.name for c in claims.claim(9)] == ["twice"]


def test_only_the_named_collections_are_claimed(notes: Collection) -> None:
    row(notes, "a")
    row(services.collection("other"), "b")
    assert [c.name for c in claims.claim(9, collections=["other"])] == ["b"]


def test_a_lease_that_ran_out_is_taken_up_and_the_old_holder_is_refused(notes: Collection) -> None:
    document = row(notes, "a")
    (first,) = claims.claim(1, lease_s=30)
    later = timezone.now() + timedelta(seconds=29)
    assert claims.claim(1, now=later) == []
    (second,) = claims.claim(1, now=later + timedelta(seconds=2), lease_s=30)
    assert second.fence == first.fence + 1
    assert claims.finish([first]) == set()
    assert again(document).state == "working"
    assert claims.refuse([first], "late") == claims.give_back([first]) == set()
    assert claims.finish([second]) == {document.pk}
    assert (again(document).state, again(document).lease_until) == ("searchable", None)


def test_a_sign_of_life_keeps_the_lease(notes: Collection) -> None:
    row(notes, "a")
    now = timezone.now()
    held = claims.claim(1, now=now, lease_s=30)
    claims.renew(held, now=now + timedelta(seconds=20), lease_s=30)
    assert claims.claim(1, now=now + timedelta(seconds=40)) == []
    assert len(claims.claim(1, now=now + timedelta(seconds=51))) == 1


def test_after_three_claims_that_ended_nowhere_it_has_failed_with_a_reason(notes: Collection) -> None:
    document = row(notes, "a")
    for attempt in (1, 2, 3):
        (claim,) = claims.claim(1)
        assert claim.attempts == attempt
        assert claims.lapse(everything=True) == 1  # its worker was killed
    assert claims.claim(1) == []
    document = again(document)
    assert (document.state, document.lease_until) == ("failed", None)
    assert document.reason.startswith("Its worker stopped three times")


def test_attempts_that_went_wrong_count_and_what_was_given_back_does_not(notes: Collection) -> None:
    document = row(notes, "a")
    for _ in range(5):
        claims.give_back(claims.claim(1))
    assert (again(document).state, again(document).attempts) == ("queued", 0)
    assert claims.fail_attempt(claims.claim(1), "Broke.") == set()
    assert (again(document).state, again(document).attempts) == ("queued", 1)
    claims.fail_attempt(claims.claim(1), "Broke.")
    assert claims.fail_attempt(claims.claim(1), "Broke.") == {document.pk}
    assert (again(document).state, again(document).reason) == ("failed", "Broke.")


def test_nobody_writes_over_a_replacement_or_a_deletion(notes: Collection) -> None:
    replaced, deleted = row(notes, "a"), row(notes, "b")
    held = claims.claim(2)
    Document.objects.filter(pk=replaced.pk).update(state="queued", fence=held[0].fence + 1)
    deleted.delete()
    assert claims.held(held) == set()
    assert claims.finish(held) == set()
    assert again(replaced).state == "queued"


def test_what_one_has_in_hand_is_not_claimed_again(notes: Collection) -> None:
    replaced, other = row(notes, "a"), row(notes, "b")
    claims.claim(1)
    Document.objects.filter(pk=replaced.pk).update(state="queued", attempts=0)
    assert [claim.document for claim in claims.claim(2, without=[replaced.pk])] == [other.pk]
    assert [claim.document for claim in claims.claim(2)] == [replaced.pk]


@pytest.mark.django_db(transaction=True)
def test_many_workers_claim_no_document_twice() -> None:
    notes = services.collection("notes")
    Document.objects.bulk_create(Document(collection=notes, name=f"{n}.txt") for n in range(120))
    got: list[int] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while some := claims.claim(7):
                got.extend(claim.document for claim in some)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_old_connections()
    assert errors == []
    assert sorted(got) == sorted(Document.objects.values_list("pk", flat=True))
    assert set(Document.objects.values_list("fence", flat=True)) == {1}
