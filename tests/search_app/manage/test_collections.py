import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from search_app.models import Collection, Document, Removal
from tests.search_app.manage.conftest import documents

PAGE = "/manage/collections/notes/"


def form(**fields: object) -> dict[str, object]:
    return {"title": "Notes", "access": "chosen"} | fields


def test_the_list_says_who_reads_what(staff: Client, notes: Collection) -> None:
    Collection.objects.create(name="open", public=True)
    documents(notes, "a.md")
    page = staff.get("/manage/collections").content.decode()
    assert "3 people: 1 by name, 2 by group Board." in page
    assert "Everybody who reaches the site" in page
    assert "Staff read every collection (1 person)." in page


def test_access_is_changed(staff: Client, notes: Collection) -> None:
    User.objects.create_user("eve")
    sales = Group.objects.create(name="Sales")
    carl = notes.readers.get()
    response = staff.post(PAGE, form(groups=[sales.pk], readers=[carl.pk], add="eve;ann"))
    assert response.status_code == 302
    assert [g.name for g in notes.groups.all()] == ["Sales"]
    assert sorted(u.username for u in notes.readers.all()) == ["ann", "carl", "eve"]
    page = staff.get(PAGE).content.decode()
    assert "Saved. It may be read by: 3 people: 3 by name, 0 by group Sales." in page


def test_a_reader_is_taken_off_by_leaving_the_mark_out(staff: Client, notes: Collection) -> None:
    staff.post(PAGE, form())
    assert not notes.readers.exists() and not notes.groups.exists()


def test_public_is_warned_of_and_keeps_the_chosen_ones(staff: Client, notes: Collection) -> None:
    group, carl = notes.groups.get(), notes.readers.get()
    staff.post(PAGE, form(access="public", groups=[group.pk], readers=[carl.pk]))
    notes.refresh_from_db()
    assert notes.public and notes.readers.get() == carl
    page = staff.get(PAGE).content.decode()
    assert "Nobody has to sign in to read a public collection" in page


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"add": "ann nobody other"}, "There is no user nobody, other."),
        ({"title": ""}, "This field is required."),
        ({"access": "all"}, "Select a valid choice."),
        ({"groups": ["99"]}, "Select a valid choice."),
        ({"readers": ["x"]}, "not a valid value"),
        ({"bm25": "0.5"}, "Give all four weights"),
        ({"bm25": "2"}, "less than or equal to 1"),
        ({"bm25": "much"}, "Enter a number."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(
    staff: Client, notes: Collection, fields: dict[str, object], sentence: str
) -> None:
    response = staff.post(PAGE, form(**fields))
    assert response.status_code == 400
    assert sentence in response.content.decode()
    assert notes.readers.count() == 1 and notes.groups.count() == 1


def test_weights(staff: Client, notes: Collection) -> None:
    weights = {"bm25": "0.1", "knn": "0.2", "late": "0", "reranked": "0.7"}
    assert staff.post(PAGE, form(**weights)).status_code == 302
    notes.refresh_from_db()
    assert notes.blend == {"bm25": 0.1, "knn": 0.2, "late": 0.0, "reranked": 0.7}
    assert 'value="0.7"' in staff.get(PAGE).content.decode()
    staff.post(PAGE, form())
    notes.refresh_from_db()
    assert notes.blend is None


def test_a_new_one_is_for_nobody_until_readers_are_chosen(staff: Client) -> None:
    fields = {"title": "Minutes 2026", "language": "en", "access": "chosen"}
    assert staff.post("/manage/collections/new", fields).url == "/manage/upload?collection=minutes-2026"
    made = Collection.objects.get()
    assert (made.name, made.public) == ("minutes-2026", False)
    again = staff.post("/manage/collections/new", fields)
    assert again.status_code == 400 and "already" in again.content.decode()
    bad = staff.post("/manage/collections/new", fields | {"name": "../etc"})
    assert "letters a to z, digits, hyphens and underscores only" in bad.content.decode()


def test_all_its_documents_are_indexed_again(staff: Client, notes: Collection) -> None:
    documents(notes, "a.md", "b.md", state="searchable", version=1)
    response = staff.post("/manage/collections/notes/reindex", follow=True)
    assert "2 documents are indexed again." in response.content.decode()
    assert {(d.state, d.version) for d in Document.objects.all()} == {("queued", 1)}


def test_it_is_deleted_with_its_documents_once_its_name_is_typed(staff: Client, notes: Collection) -> None:
    documents(notes, "a.md", "b.md")
    address = "/manage/collections/notes/delete"
    assert "Delete Notes and its 2 documents?" in staff.get(address).content.decode()
    wrong = staff.post(address, {"name": "note"})
    assert wrong.status_code == 400 and "That is not its name." in wrong.content.decode()
    assert Document.objects.count() == 2
    said = staff.post(address, {"name": "notes"}, follow=True).content.decode()
    assert "Notes and its 2 documents are deleted." in said
    assert not Collection.objects.exists() and not Document.objects.exists()
    assert Removal.objects.count() == 2
    assert staff.get(address).status_code == 404
