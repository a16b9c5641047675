import pytest
from django.test import Client

from search_app.models import Collection, Document
from tests.search_app.manage.conftest import documents

CHANGE = "/manage/documents/change"
JSON = {"accept": "application/json"}


@pytest.fixture
def rows(notes: Collection) -> list[Document]:
    """a.md failed, b.pdf is searchable, c.md is queued."""
    made = documents(notes, "a.md", "b.pdf", "c.md")
    Document.objects.filter(pk=made[0].pk).update(state="failed", reason="It is <damaged>.", attempts=3)
    Document.objects.filter(pk=made[1].pk).update(state="searchable", version=2)
    return made


def listed(client: Client, query: str) -> list[str]:
    return [row.name for row in client.get(f"/manage/documents{query}").context["page"]]


def test_the_table_says_state_reason_and_who(staff: Client, rows: list[Document]) -> None:
    page = staff.get("/manage/documents").content.decode()
    assert "It is &lt;damaged&gt;." in page
    assert f'href="/documents/{rows[1].pk}"' in page
    assert f'href="/documents/{rows[2].pk}"' not in page  # nothing of it can be opened yet


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["c.md", "b.pdf", "a.md"]),
        ("?order=name", ["a.md", "b.pdf", "c.md"]),
        ("?state=failed", ["a.md"]),
        ("?format=pdf", ["b.pdf"]),
        ("?name=C.M", ["c.md"]),
        ("?collection=notes&state=queued&format=md&name=c", ["c.md"]),
        ("?collection=nowhere", []),
        ("?state=nonsense&order=nonsense", ["c.md", "b.pdf", "a.md"]),
        ("?name=%00&page=-4", ["c.md", "b.pdf", "a.md"]),
        ("?name=%25", []),
    ],
)
def test_filters(staff: Client, rows: list[Document], query: str, names: list[str]) -> None:
    assert listed(staff, query) == names


def test_counts_are_of_the_other_filters(staff: Client, rows: list[Document]) -> None:
    counted = {state: n for state, n, _ in staff.get("/manage/documents?state=failed").context["states"]}
    assert counted == {"queued": 1, "working": 0, "searchable": 1, "failed": 1}


def test_retry_takes_failed_ones_only(staff: Client, rows: list[Document]) -> None:
    ids = [row.pk for row in rows]
    said = staff.post(CHANGE, {"action": "retry", "document": ids}, headers=JSON).json()
    assert said == {"said": "1 document is tried again. 2 were left as they are."}
    row = Document.objects.get(pk=ids[0])
    assert (row.state, row.reason, row.attempts) == ("queued", "", 0)


def test_one_button_retries_one(staff: Client, rows: list[Document]) -> None:
    response = staff.post(CHANGE, {"one": f"retry {rows[0].pk}", "document": [rows[1].pk], "state": "failed"})
    assert response.url == "/manage/documents?state=failed"
    assert "1 document is tried again." in staff.get(response.url).content.decode()
    assert Document.objects.get(pk=rows[1].pk).state == "searchable"


def test_indexing_again_keeps_what_is_searchable(staff: Client, rows: list[Document]) -> None:
    staff.post(CHANGE, {"action": "reindex", "document": [rows[1].pk]})
    row = Document.objects.get(pk=rows[1].pk)
    assert (row.state, row.version) == ("queued", 2)


def test_deleting_asks_once_more(staff: Client, rows: list[Document]) -> None:
    fields = {"action": "delete", "document": [rows[0].pk, rows[1].pk]}
    page = staff.post(CHANGE, fields).content.decode()
    assert "Delete 2 documents?" in page and "b.pdf" in page
    assert Document.objects.count() == 3
    staff.post(CHANGE, fields | {"sure": "1"})
    assert [row.name for row in Document.objects.all()] == ["c.md"]


def test_all_of_the_list_can_be_chosen(staff: Client, rows: list[Document]) -> None:
    fields = {"action": "delete", "all": "1", "sure": "1", "collection": "notes", "format": "md"}
    said = staff.post(CHANGE, fields, headers=JSON).json()
    assert said == {"said": "2 documents are deleted, and found by nobody any more."}
    assert [row.name for row in Document.objects.all()] == ["b.pdf"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"action": "burn", "document": "1"}, "Say what is to be done"),
        ({"document": "1"}, "Say what is to be done"),
        ({"action": "delete", "sure": "1"}, "No document was chosen"),
        ({"action": "delete", "sure": "1", "document": "all"}, "No document was chosen"),
        ({"action": "delete", "sure": "1", "document": "9" * 40}, "No document was chosen"),
        ({"one": "burn"}, "Say what is to be done"),
    ],
)
def test_what_cannot_be_is_said(
    staff: Client, rows: list[Document], fields: dict[str, str], sentence: str
) -> None:
    response = staff.post(CHANGE, fields, headers=JSON)
    assert response.status_code == 400 and sentence in response.json()["error"]
    assert sentence in staff.post(CHANGE, fields, follow=True).content.decode()
    assert Document.objects.count() == 3


def test_changes_need_the_token_and_a_post(dana: object, rows: list[Document]) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(dana)  # type: ignore[arg-type]
    assert strict.post(CHANGE, {"action": "delete", "all": "1", "sure": "1"}).status_code == 403
    assert strict.get(CHANGE).status_code == 405
    assert Document.objects.count() == 3


def test_an_empty_installation_says_what_to_do(staff: Client) -> None:
    assert "Upload the first ones" in staff.get("/manage/documents").content.decode()
    assert "No document is like that" in staff.get("/manage/documents?name=x").content.decode()
