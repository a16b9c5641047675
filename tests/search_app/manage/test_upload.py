import io
import json
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from search_app import contents
from search_app.models import Collection, Document
from tests.search_app.manage.conftest import documents

JSON = {"accept": "application/json"}


def send(client: Client, name: str, data: bytes, **fields: str):  # type: ignore[no-untyped-def]
    body = {"collection": "notes", "name": name, "file": SimpleUploadedFile("file", data)} | fields
    return client.post("/manage/upload/file", body, headers=JSON)


def test_one_file_becomes_a_queued_document_with_its_folders(
    staff: Client, notes: Collection, dana: object
) -> None:
    told = send(staff, "attic/left/two.md", b"# Two\n").json()["documents"]
    row = Document.objects.get(collection=notes, name="attic/left/two.md")
    assert told == [
        {
            "id": row.pk,
            "name": "attic/left/two.md",
            "state": "queued",
            "reason": "",
            "version": 0,
            "size": 6,
            "retry": False,
            "url": "",
        }
    ]
    assert row.uploader == dana
    assert contents.read(row.content_hash) == b"# Two\n"


def test_the_same_file_again_has_one_effect(staff: Client, notes: Collection) -> None:
    first = send(staff, "a.md", b"a").json()["documents"]
    fence = Document.objects.get().fence
    assert send(staff, "a.md", b"a").json()["documents"] == first
    assert Document.objects.get().fence == fence


def test_a_zip_gives_a_document_for_each_member(staff: Client, notes: Collection) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("may/a.md", "a")
        archive.writestr("../../b.md", "b")
    told = send(staff, "letters.zip", data.getvalue()).json()["documents"]
    assert [row["name"] for row in told] == ["letters.zip/may/a.md", "letters.zip/b.md"]


def test_a_damaged_zip_is_a_failed_document_with_its_reason(staff: Client, notes: Collection) -> None:
    (told,) = send(staff, "bad.zip", b"PK no zip").json()["documents"]
    assert told["state"] == "failed" and "damaged" in told["reason"] and told["retry"] is False


@pytest.mark.parametrize("name", ["..", "/", "///", "\0", "."])
def test_a_name_that_is_none_is_refused_or_taken_as_a_text(
    staff: Client, notes: Collection, name: str
) -> None:
    response = send(staff, name, b"x")
    assert response.status_code in (200, 400)
    if response.status_code == 400:
        assert response.json()["error"]


def test_what_is_missing_is_said(staff: Client, notes: Collection) -> None:
    assert send(staff, "a.md", b"a", collection="nowhere").json() == {
        "error": "This collection does not exist any more."
    }
    bare = staff.post("/manage/upload/file", {"collection": "notes"}, headers=JSON)
    assert (bare.status_code, bare.json()) == (400, {"error": "There is no file in the request."})


def test_a_body_that_is_no_form_is_said(staff: Client, notes: Collection) -> None:
    response = staff.post(
        "/manage/upload/file", b"no boundary", content_type="multipart/form-data", headers=JSON
    )
    assert response.status_code == 400
    assert "not a form" in response.json()["error"]


def test_a_file_larger_than_the_limit_is_a_failed_document(
    staff: Client, notes: Collection, settings: object
) -> None:
    settings.MAX_FILE_BYTES = 2**20
    (told,) = send(staff, "large.txt", b"x" * (2**20 + 1)).json()["documents"]
    assert (told["state"], told["reason"]) == ("failed", "The file is larger than 1 MB.")


def test_the_token_is_asked_for(dana: object, notes: Collection) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(dana)  # type: ignore[arg-type]
    assert send(strict, "a.md", b"a").status_code == 403
    assert not Document.objects.exists()
    strict.get("/manage/upload")
    token = strict.cookies["csrftoken"].value
    assert send(strict, "a.md", b"a", csrfmiddlewaretoken=token).status_code == 200


# --- The plain form -----------------------------------------------------------------------------------------


def plain(client: Client, *names: str, **fields: str):  # type: ignore[no-untyped-def]
    files = [SimpleUploadedFile(name, name.encode()) for name in names]
    return client.post("/manage/upload", {"collection": "notes", "files": files} | fields)


def test_the_plain_form_takes_several_files(staff: Client, notes: Collection) -> None:
    response = plain(staff, "a.md", "b.md")
    assert (response.status_code, response.url) == (302, "/manage/documents?collection=notes")
    page = staff.get(response.url).content.decode()
    assert "2 documents received into Notes." in page and "b.md" in page


def test_the_plain_form_makes_a_collection_on_the_way(staff: Client) -> None:
    fields = {"collection": "+", "new-title": "Old letters", "new-language": "de", "new-access": "chosen"}
    assert plain(staff, "a.md", **fields).url == "/manage/documents?collection=old-letters"
    made = Collection.objects.get()
    assert (made.title, made.language, made.public) == ("Old letters", "de", False)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"collection": "nowhere"}, "Choose a collection, or make a new one."),
        ({"collection": "+"}, "This field is required."),
        (
            {"collection": "+", "new-title": "Notes", "new-access": "public", "new-language": "en"},
            "There is a collection notes already.",
        ),
        (
            {"collection": "+", "new-title": "N", "new-access": "public", "new-language": "xx"},
            "xx is not one of the available choices.",
        ),
        (
            {"collection": "+", "new-title": "文書", "new-access": "public", "new-language": "cjk"},
            "No name can be made from this title.",
        ),
    ],
)
def test_what_is_wrong_is_said(
    staff: Client, notes: Collection, fields: dict[str, str], sentence: str
) -> None:
    response = plain(staff, "a.md", **fields)
    assert response.status_code == 400
    assert sentence in response.content.decode()
    assert not Document.objects.exists()


def test_no_file_and_too_many_are_said(staff: Client, notes: Collection, settings: object) -> None:
    assert "No file was chosen" in plain(staff).content.decode()
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    response = plain(staff, "a.md", "b.md", "c.md")
    assert response.status_code == 400
    assert "More than 2 files came at once" in response.content.decode()


def test_a_collection_is_made_before_its_files_are_sent(staff: Client, notes: Collection) -> None:
    fields = {
        "new-title": "Harbour <b>",
        "new-language": "en",
        "new-access": "chosen",
        "new-add": "carl, ann",
    }
    told = staff.post("/manage/upload/collection", fields, headers=JSON)
    assert (told.status_code, told.json()) == (
        201,
        {"name": "harbour-b", "title": "Harbour <b>", "readers": "2 people: 2 by name.", "public": False},
    )
    again = staff.post("/manage/upload/collection", fields, headers=JSON)
    assert again.status_code == 400
    assert again.json()["fields"] == {
        "new-name": ["There is a collection harbour-b already. Choose it, or give another name."]
    }
    unknown = staff.post("/manage/upload/collection", fields | {"new-add": "nobody"}, headers=JSON)
    assert "There is no user nobody." in unknown.json()["fields"]["new-add"][0]


def test_the_page_says_who_will_read_and_escapes_names(staff: Client, notes: Collection) -> None:
    Collection.objects.create(name="x", title='<script>"&')
    page = staff.get("/manage/upload").content.decode()
    assert "3 people: 1 by name, 2 by group Board." in page
    assert "<script>&quot;" not in page and "&lt;script&gt;" in page
    assert json.dumps("style=") not in page and " style=" not in page and "<script>" not in page


def test_states_are_told_and_deleted_ones_are_missing(staff: Client, notes: Collection) -> None:
    first, second = documents(notes, "a.md", "b.md")
    Document.objects.filter(pk=first.pk).update(state="searchable", version=3)
    gone = second.pk
    second.delete()
    told = staff.get(f"/manage/documents/states?collection=notes&id={first.pk}&id={gone}&id=x&id=-1").json()
    assert told["counts"] == {"queued": 0, "working": 0, "searchable": 1, "failed": 0}
    (row,) = told["documents"]
    assert (row["version"], row["url"]) == (3, f"/documents/{first.pk}")
