import pytest
from django.contrib.auth.models import Group, User

from search_app.access import Viewer, readable
from search_app.models import Collection
from search_app.readers import readers_of, staff_count

pytestmark = pytest.mark.django_db


@pytest.fixture
def notes() -> Collection:
    return Collection.objects.create(name="notes", public=False)


def people(*names: str, **values: object) -> list[User]:
    return [User.objects.create_user(name, **values) for name in names]


def test_nobody_but_staff(notes: Collection) -> None:
    people("dana", is_staff=True)
    assert readers_of(notes).words == "Nobody but staff."
    assert staff_count() == 1
    notes.groups.add(Group.objects.create(name="Board"))
    assert readers_of(notes).words == "Nobody but staff: no active member in Board."


def test_by_name_and_by_group(notes: Collection) -> None:
    board = Group.objects.create(name="Board")
    board.user_set.set(people(*(f"b{i}" for i in range(9))))
    notes.groups.add(board)
    notes.readers.set(people("x", "y", "z"))
    assert readers_of(notes).words == "12 people: 3 by name, 9 by group Board."


def test_one_person_in_two_ways_counts_once(notes: Collection) -> None:
    ann, bob = people("ann", "bob")
    for name in ("Board", "Sales"):
        group = Group.objects.create(name=name)
        group.user_set.add(ann)
        notes.groups.add(group)
    notes.readers.add(bob)
    assert readers_of(notes).words == (
        "2 people: 1 by name, 1 by group Board, 1 by group Sales, some of them in more than one way."
    )
    notes.readers.clear()
    assert readers_of(notes).words == "1 person: 1 by group Board, 1 by group Sales."


def test_who_cannot_sign_in_does_not_count(notes: Collection) -> None:
    notes.readers.set(people("gone", is_active=False))
    assert readers_of(notes).people == 0


def test_public(notes: Collection) -> None:
    notes.public = True
    assert readers_of(notes).words == "Everybody who reaches the site, without signing in."


def test_the_count_is_that_of_the_check_of_access(notes: Collection) -> None:
    group = Group.objects.create(name="Board")
    group.user_set.set(people("ann", "bob"))
    notes.groups.add(group)
    notes.readers.set([*people("carl"), group.user_set.get(username="ann")])
    people("eve")
    allowed = [u for u in User.objects.all() if notes in readable(Viewer(user_id=u.pk))]
    assert readers_of(notes).people == len(allowed) == 3
