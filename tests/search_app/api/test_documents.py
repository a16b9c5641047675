import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from search_app import contents, uploads
from search_app.models import Collection, Document, Removal
from tests.search_app.api.conftest import ApiClient

DOCUMENTS = "/api/v1/documents"


@pytest.fixture
def notes(db: None, tmp_path: object, settings: Any) -> Collection:
    settings.CONTENT_DIR = tmp_path / "contents"
    return Collection.objects.create(name="notes", public=False)


def file(name: str = "ferry.md", content: bytes = b"# Ferry\n\nIt leaves at nine.") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def upload(client: ApiClient, *files: SimpleUploadedFile, **fields: Any) -> Any:
    key = {"HTTP_IDEMPOTENCY_KEY": fields.pop("key")} if "key" in fields else {}
    return client.post(DOCUMENTS, {"collection": "notes", "file": list(files)} | fields, **key)


def test_files_arrive_queued_and_the_same_again_changes_nothing(notes: Collection, staff: ApiClient) -> None:
    first = upload(staff, file(), file("prices.csv", b"a,b\n1,2\n"), folder="may/../may/")
    assert first.status_code == 202
    rows = first.json()["documents"]
    assert [(r["document"]["name"], r["changed"], r["created"]) for r in rows] == [
        ("may/may/ferry.md", True, True),
        ("may/may/prices.csv", True, True),
    ]
    assert {r["document"]["state"] for r in rows} == {"queued"}
    again = upload(staff, file(), folder="may/may").json()["documents"]
    assert [(r["changed"], r["created"]) for r in again] == [(False, False)]
    assert Document.objects.get(name="may/may/ferry.md").uploader.username == "staff"


def test_an_archive_becomes_its_members(notes: Collection, staff: ApiClient) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../etc/passwd.txt", "root")
        archive.writestr("a/b.txt", "granite")
    rows = upload(staff, file("box.zip", packed.getvalue())).json()["documents"]
    assert [r["document"]["name"] for r in rows] == ["box.zip/etc/passwd.txt", "box.zip/a/b.txt"]
    (damaged,) = upload(staff, file("bad.zip", b"PK no")).json()["documents"]
    assert damaged["document"]["state"] == "failed"
    assert "damaged" in damaged["document"]["reason"]


def test_only_staff_writes_and_only_with_the_scope(
    notes: Collection, keyed: Callable[..., ApiClient], nobody: ApiClient
) -> None:
    assert upload(nobody, file()).status_code == 401
    assert upload(keyed("reader"), file()).status_code == 403
    assert upload(keyed("staff", "read", "search"), file()).status_code == 403
    assert Document.objects.count() == 0
    assert upload(keyed("staff", "write"), file()).status_code == 202


def test_a_document_that_may_not_be_read_is_not_there(
    notes: Collection, staff: ApiClient, reader: ApiClient, keyed: Callable[..., ApiClient]
) -> None:
    number = upload(staff, file()).json()["documents"][0]["document"]["id"]
    Collection.objects.create(name="other")
    limited = keyed("staff", only=["other"])
    for client in (reader, limited):
        assert client.get(f"{DOCUMENTS}/{number}").status_code == 404
        assert client.get(f"{DOCUMENTS}/{number}/text").status_code == 404
        assert client.get(DOCUMENTS).json()["results"] == []
        assert client.get(DOCUMENTS, {"collection": "notes"}).status_code == 404
    assert limited.delete(f"{DOCUMENTS}/{number}").status_code == 404
    assert limited.json("put", f"{DOCUMENTS}/{number}/content", "x").status_code == 404
    assert limited.post(f"{DOCUMENTS}/{number}/retry").status_code == 404
    assert upload(limited, file("other.md")).status_code == 404
    assert Document.objects.count() == 1


def test_a_searchable_document_is_read_replaced_and_deleted(
    filled: None, staff: ApiClient, reader: ApiClient, settings: Any, tmp_path: Any
) -> None:
    settings.CONTENT_DIR = tmp_path / "contents"
    row = Document.objects.get(name__endswith="ferry.md")
    address = f"{DOCUMENTS}/{row.pk}"
    detail = reader.get(address).json()
    assert (detail["state"], detail["collection"], detail["format"]) == ("searchable", "notes", "md")
    assert [v["version"] for v in detail["versions"]] == [row.version]
    text = reader.get(f"{address}/text").json()
    assert "north pier" in text["text"]
    new = staff.put(f"{address}/content", b"# Ferry\n\nAt ten.", content_type="text/markdown")
    assert new.status_code == 202
    assert (new.json()["state"], new.json()["version"]) == ("queued", row.version)
    assert contents.read(new.json()["sha256"]) == b"# Ferry\n\nAt ten."
    assert "north pier" in reader.get(f"{address}/text").json()["text"], "the old version stays meanwhile"
    assert staff.delete(address).status_code == 204
    assert staff.delete(address).status_code == 404
    assert reader.get(f"{address}/text").status_code == 404
    assert Removal.objects.filter(document_number=row.pk).exists()
    found = reader.json("post", "/api/v1/search", {"question": "north pier ferry"}).json()
    assert str(row.pk) not in {str(p["document_id"]) for p in found["passages"]}


def test_what_waits_has_no_text_yet(notes: Collection, staff: ApiClient) -> None:
    number = upload(staff, file()).json()["documents"][0]["document"]["id"]
    response = staff.get(f"{DOCUMENTS}/{number}/text")
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert "queued" in response.json()["detail"]


def test_a_failed_document_is_tried_again(notes: Collection, staff: ApiClient) -> None:
    number = upload(staff, file()).json()["documents"][0]["document"]["id"]
    address = f"{DOCUMENTS}/{number}/retry"
    assert staff.post(address).status_code == 409
    Document.objects.filter(pk=number).update(state="failed", reason="It broke.", attempts=3)
    again = staff.post(address)
    assert again.status_code == 202
    assert (again.json()["state"], again.json()["reason"], again.json()["attempts"]) == ("queued", "", 0)
    (lost,) = upload(staff, file("bad.zip", b"no")).json()["documents"]
    Document.objects.filter(pk=lost["document"]["id"]).update(content_hash="")
    assert "Upload it again" in staff.post(f"{DOCUMENTS}/{lost['document']['id']}/retry").json()["detail"]


def test_the_list_is_filtered_and_paged(notes: Collection, staff: ApiClient) -> None:
    upload(staff, *(file(f"{i}.{'md' if i % 2 else 'txt'}", b"%d" % i) for i in range(7)))
    page = staff.get(DOCUMENTS, {"format": "md", "limit": 2}).json()
    names = [d["name"] for d in page["results"]]
    page = staff.get(page["next"]).json()
    assert names + [d["name"] for d in page["results"]] == ["5.md", "3.md", "1.md"]
    assert page["next"] is None
    assert staff.get(DOCUMENTS, {"state": "failed"}).json()["results"] == []
    for wrong in ({"state": "lost"}, {"format": "a/b"}, {"format": ""}):
        assert staff.get(DOCUMENTS, wrong).status_code == 400
    assert staff.get(DOCUMENTS, {"collection": "x\0y"}).status_code == 400


# --- Idempotency -----------------------------------------------------------------------------------------


def test_the_same_key_and_request_have_one_effect(
    notes: Collection, staff: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = upload(staff, file(), key="k1")
    monkeypatch.setattr(uploads, "put", None)  # it would break if it were asked again
    again = upload(staff, file(), key="k1")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.json()) == (first.status_code, first.json())


def test_the_key_of_another_request_is_refused(
    notes: Collection, staff: ApiClient, keyed: Callable[..., ApiClient]
) -> None:
    upload(staff, file(), key="k1")
    other = upload(staff, file(content=b"other"), key="k1")
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert upload(keyed("staff"), file(content=b"other"), key="k1").status_code == 202, "keys are one's own"


def test_a_request_that_is_still_running_is_not_begun_again(
    notes: Collection, staff: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = []
    put = uploads.put

    def slow(*args: Any, **kwargs: Any) -> Any:
        answers.append(upload(staff, file(), key="k1"))  # the same again while this one runs
        return put(*args, **kwargs)

    monkeypatch.setattr(uploads, "put", slow)
    assert upload(staff, file(), key="k1").status_code == 202
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(409, "still_running")]


def test_a_request_that_failed_may_be_sent_again(
    notes: Collection, staff: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = uploads.put
    monkeypatch.setattr(uploads, "put", None)
    assert upload(staff, file(), key="k1").status_code == 500
    monkeypatch.setattr(uploads, "put", put)
    assert upload(staff, file(), key="k1").status_code == 202
    assert upload(staff, file(), key="ü" * 3).status_code == 400
