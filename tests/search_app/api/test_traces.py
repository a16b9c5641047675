from collections.abc import Callable

from django.contrib.auth.models import User

from search_app.models import Collection
from tests.search_app.api.conftest import ApiClient

QUESTION = {"question": "When does the ferry leave?"}


def ask(client: ApiClient) -> str:
    return client.json("post", "/api/v1/search", QUESTION).json()["trace_id"]


def test_a_trace_is_for_who_asked_and_for_staff(
    filled: None, reader: ApiClient, staff: ApiClient, nobody: ApiClient, keyed: Callable[..., ApiClient]
) -> None:
    address = f"/api/v1/traces/{ask(reader)}"
    trace = reader.get(address).json()
    assert trace["body"]["query"]["text"] == QUESTION["question"]
    assert set(trace["texts"]) == {p["sha256"] for p in trace["body"]["passages"]}
    assert staff.get(address).status_code == 200
    assert nobody.get(address).status_code == 404
    assert keyed("stranger").get(address).status_code == 404


def test_the_list_holds_ones_own_in_pages_by_cursor(
    filled: None, reader: ApiClient, staff: ApiClient
) -> None:
    ids = [ask(reader) for _ in range(5)]
    ask(staff)
    page = reader.get("/api/v1/traces", {"limit": 2}).json()
    seen = [line["id"] for line in page["results"]]
    while page["next"]:
        page = reader.get(page["next"]).json()
        seen += [line["id"] for line in page["results"]]
    assert seen == ids[::-1]


def test_without_a_name_there_is_no_list(nobody: ApiClient) -> None:
    assert nobody.get("/api/v1/traces").status_code == 401


def test_a_lost_right_takes_traces_away(
    filled: None, reader: ApiClient, people: dict[str, User], keyed: Callable[..., ApiClient]
) -> None:
    trace_id = ask(reader)
    notes = Collection.objects.get(name="notes")
    Collection.objects.create(name="other")
    limited = keyed("reader", only=["other"])
    assert limited.get(f"/api/v1/traces/{trace_id}").status_code == 404
    assert limited.get("/api/v1/traces").json()["results"] == []
    notes.public = False
    notes.save()
    assert reader.get(f"/api/v1/traces/{trace_id}").status_code == 404
    assert reader.get("/api/v1/traces").json()["results"] == []
    notes.readers.add(people["reader"])
    assert len(reader.get("/api/v1/traces").json()["results"]) == 1


def test_a_cursor_that_was_never_given_out_is_refused(
    filled: None, reader: ApiClient, staff: ApiClient
) -> None:
    ask(reader)
    for cursor in (
        "x",
        "cD1nYXJiYWdl",
        "bz05OTk5OTk5OTk5",
        "cD0lMDA=",
        "cD0yMDI2",
        "%00",
        "\x00",
        "ü",
        "",
        "=",
        "QQ==",
    ):
        for client, path in ((reader, "traces"), (staff, "documents"), (staff, "collections")):
            assert client.get(f"/api/v1/{path}", {"cursor": cursor}).status_code in (200, 400, 404), cursor
    assert reader.get("/api/v1/traces", {"cursor": "cD1nYXJiYWdl"}).json()["code"] == "not_found"
    for limit in ("0", "201", "-1", "x", "1e3", "", "٣", "9" * 5000):
        assert reader.get("/api/v1/traces", {"limit": limit}).status_code == 400
