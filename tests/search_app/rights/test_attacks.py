"""What somebody would try. Each attack is one that a route of the matrix, taken alone, does not show."""

import json
import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from search_app import keys, uploads
from search_app.models import ApiKey, Collection, Conversation, Document, Feedback, TraceRecord
from tests.search_app.rights.indexing import Worker
from tests.search_app.rights.people import BACKEND, SECRETS, Scene, put, scene
from tests.search_app.rights.samples import a_file


@pytest.fixture
def here(worker: Worker) -> Scene:
    return scene(worker)


def api(here: Scene, kind: str, method: str, path: str, **data: object) -> tuple[int, str]:
    response = here.client(kind).generic(method, f"/api/v1/{path}", json.dumps(data), "application/json")
    return response.status_code, response.content.decode()


def secret(text: str) -> list[str]:
    return [word for word in SECRETS if word in text]


# --- Names and existence ---------------------------------------------------------------------------------


def test_a_private_collection_and_none_are_answered_alike(here: Scene) -> None:
    for kind in ("anon", "user", "former", "other"):
        answers = []
        for name in ("cmboard", "no-such-thing"):
            for method, path, data in (
                ("POST", "search", {"question": "ferry", "collections": [name]}),
                ("POST", "answers", {"question": "ferry", "collections": [name]}),
                ("GET", f"documents?collection={name}", {}),
                ("POST", "search", {"question": "ferry", "collections": ["public", name]}),
            ):
                status, text = api(here, kind, method, path, **data)
                answers.append((status, text.replace(name, "NAME")))
                assert status in (400, 404)
        assert answers[:4] == answers[4:], kind
        assert not secret(str(answers)), kind


def test_the_page_says_the_same_of_a_private_collection_and_of_none(here: Scene) -> None:
    client, pages = here.client("user"), []
    for name in ("cmboard", "no-such-thing"):
        page = client.get("/ask", {"q": "ferry", "wait": "1", "collection": name})
        stream = client.get("/ask/stream", {"q": "ferry", "collection": name})
        pages.append([page.status_code, b"".join(stream.streaming_content).decode().replace(name, "NAME")])
        assert page.status_code == 400
        assert not secret(page.content.decode().replace(name, "NAME"))
    assert pages[0] == pages[1]


def test_a_filter_by_a_private_document_finds_nothing(here: Scene) -> None:
    filters = {"documents": [here.document.pk]}
    status, text = api(here, "user", "POST", "search", question="ferry company sold", filters=filters)
    assert status == 200
    assert json.loads(text)["passages"] == []
    assert not secret(text)


# --- Traces and conversations ----------------------------------------------------------------------------


def share(record: TraceRecord) -> None:
    TraceRecord.objects.filter(pk=record.pk).update(shared=True)


def test_who_has_the_link_is_not_told_who_asked(here: Scene) -> None:
    here.trace.user.username = "quite-private-name"
    here.trace.user.save()
    TraceRecord.objects.filter(pk=here.trace.pk).update(as_user=here.users["user"])
    share(here.trace)
    for path in (f"/traces/{here.trace.pk}/", f"/traces/{here.trace.pk}.json", f"/answers/{here.trace.pk}"):
        page = here.client("reader").get(path)
        assert page.status_code == 200
        assert "quite-private-name" not in page.content.decode(), path
        assert "with the rights of" not in page.content.decode(), path
    assert b"quite-private-name" in here.client("staff").get(f"/traces/{here.trace.pk}/").content


def test_a_trace_is_compared_only_with_one_that_may_be_read(here: Scene) -> None:
    own, foreign = here.trace.pk, here.former.pk
    client = here.client("owner")
    assert client.get(f"/traces/{own}/compare", {"with": own}).status_code == 200
    assert client.get(f"/traces/{own}/compare", {"with": foreign}).status_code == 404
    assert client.get(f"/traces/{foreign}/compare", {"with": own}).status_code == 404


def test_nobody_goes_on_with_the_conversation_of_another(here: Scene) -> None:
    client, theirs = here.client("user"), here.trace.conversation
    page = client.get("/", {"conversation": theirs.pk}).content.decode()
    assert "quownerzq" not in page
    b"".join(client.get("/ask/stream", {"q": "ferry", "conversation": theirs.pk}).streaming_content)
    assert theirs.traces.count() == 1
    assert Conversation.objects.filter(user=here.users["user"]).count() == 1


def test_history_does_not_pass_from_one_person_to_the_next_in_a_browser(here: Scene) -> None:
    client = Client()

    def ask(question: str) -> None:
        b"".join(client.get("/ask/stream", {"q": question}).streaming_content)

    ask("quvisitorzq ferry")
    client.force_login(here.users["user"], backend=BACKEND)
    ask("quuserzq ferry")
    client.post("/sign-out")
    assert not re.search("qu(visitor|user)zq", client.get("/history/").content.decode())
    client.force_login(here.users["reader"], backend=BACKEND)
    assert not re.search("qu(visitor|user)zq", client.get("/history/").content.decode())


def test_one_word_each_on_a_shared_answer_and_none_on_another(here: Scene) -> None:
    body = {"trace": str(here.trace.pk), "liked": False, "reason": "quowner"}
    assert api(here, "other", "POST", "feedback", **body)[0] == 404
    share(here.trace)
    assert here.client("user").post(f"/answers/{here.trace.pk}/feedback", {"liked": "0"}).status_code == 404
    assert here.client("reader").post(f"/answers/{here.trace.pk}/feedback", {"liked": "0"}).status_code == 302
    assert [said.user for said in Feedback.objects.all()] == [here.users["reader"]]
    assert here.client("reader").post(f"/answers/{here.trace.pk}/share", {"on": "0"}).status_code == 404


def test_a_document_of_the_same_name_opens_no_old_trace(here: Scene, worker: Worker) -> None:
    number = here.document.pk
    uploads.delete([here.document])
    again = put(Collection.objects.get(name="cmboard"), "nmfilezq.md", "# Plan\n\nThe ferry again.\n")
    worker.work()
    assert again.pk != number
    text = here.client("owner").get(f"/traces/{here.trace.pk}.json").content.decode()
    assert not [word for word in SECRETS if word in text and word != "cmboard"]


# --- Keys ------------------------------------------------------------------------------------------------


def limited(here: Scene) -> Client:
    """A key of staff with all scopes, for the public collection only."""
    public = Collection.objects.filter(name="public")
    _, text = keys.make(here.users["staff"], "limited", keys.SCOPES, public)
    return Client(headers={"Authorization": f"Bearer {text}"})


def test_a_limited_key_of_staff_changes_nothing_elsewhere(here: Scene) -> None:
    client, number = limited(here), here.document.pk
    as_json = {"content_type": "application/json"}
    refused = [
        client.patch("/api/v1/collections/cmboard", {"public": True}, **as_json),
        client.delete("/api/v1/collections/cmboard?documents=true"),
        client.post("/api/v1/collections", {"name": "fresh"}, **as_json),
        client.delete(f"/api/v1/documents/{number}"),
        client.put(f"/api/v1/documents/{number}/content", b"new", content_type="application/octet-stream"),
        client.post(f"/api/v1/documents/{number}/retry"),
        client.get(f"/api/v1/traces/{here.trace.pk}"),
        client.get(f"/api/v1/traces/{here.former.pk}"),
    ]
    assert [response.status_code for response in refused] == [404, 404, 403, 404, 404, 404, 404, 404]
    assert not any(secret(response.content.decode()) for response in refused)
    sent = client.post("/api/v1/documents", {"collection": "cmboard", "file": a_file()})
    assert sent.status_code == 404
    assert not Collection.objects.get(name="cmboard").public
    assert Document.objects.filter(pk=number, fence=here.document.fence + 1).exists()
    assert not Collection.objects.filter(name="fresh").exists()


def test_a_key_does_not_name_collections_that_its_user_may_not_read_any_more(here: Scene) -> None:
    board = Collection.objects.get(name="cmboard")
    keys.make(here.users["owner"], "mine", ["search"], [board])
    assert "cmtitlezq" in here.client("owner").get("/account/keys").content.decode()
    board.readers.clear()
    assert not secret(here.client("owner").get("/account/keys").content.decode())


def test_who_is_not_staff_any_more_loses_it_at_once(here: Scene) -> None:
    client, program = here.client("staff"), here.client("chief")
    assert client.get(f"/documents/{here.document.pk}").status_code == 200
    User.objects.filter(username="staff").update(is_staff=False)
    assert client.get(f"/documents/{here.document.pk}").status_code == 404
    assert client.get("/traces/").status_code == 404
    assert program.get(f"/api/v1/documents/{here.document.pk}").status_code == 404
    assert program.delete(f"/api/v1/documents/{here.document.pk}").status_code == 403


def test_who_is_switched_off_is_nobody_at_once(here: Scene) -> None:
    client, program = here.client("owner"), here.client("read")
    User.objects.filter(username="owner").update(is_active=False)
    assert client.get(f"/documents/{here.document.pk}").status_code == 404
    assert client.get(f"/answers/{here.trace.pk}").status_code == 404
    assert program.get("/api/v1/collections").status_code == 401


def test_a_collection_of_the_same_name_is_another_one_for_a_key(here: Scene) -> None:
    public = Collection.objects.get(name="public")
    client = limited(here)
    uploads.delete(list(public.documents.all()))
    public.delete()
    Collection.objects.create(name="public", public=False)
    assert client.get("/api/v1/collections").json()["results"] == []


def test_answers_to_an_idempotency_key_are_not_for_others(here: Scene) -> None:
    def send(client: Client) -> tuple[int, str]:
        body = {"name": f"fresh-{ApiKey.objects.count()}", "title": "mktitlezq"}
        response = client.post(
            "/api/v1/collections",
            body,
            content_type="application/json",
            headers={"Idempotency-Key": "the-same"},
        )
        return response.status_code, response.headers.get("Idempotency-Replayed", "")

    assert send(here.client("chief")) == (201, "")
    assert send(here.client("chief")) == (201, "true")
    assert send(here.client("other"))[0] == 403
    assert send(here.client("super")) == (409, "")  # done anew: such a collection is there already
    User.objects.filter(username="staff").update(is_staff=False)
    assert send(here.client("chief")) == (403, "")


# --- What no table or page is made for -------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["\0", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "'\"%_\\"]
)
def test_what_cannot_be_kept_or_searched_breaks_nothing(here: Scene, text: str) -> None:
    super_, owner = here.client("super"), here.client("owner")
    pages = [("/", "q"), ("/ask/stream", "q"), ("/history/", "q"), ("/traces/", "q"), ("/traces/", "user")]
    pages += [
        ("/manage/documents", "name"),
        ("/manage/documents", "collection"),
        ("/manage/search-as", "user"),
    ]
    pages += [("/api/v1/documents", "collection"), ("/api/v1/documents", "cursor"), ("/ask", "collection")]
    for path, name in pages:
        for client in (super_, owner):
            response = client.get(path, {name: text, "wait": "1"})
            b"".join(response)  # one is a stream: unread, it would end when it is collected, inside any query
            assert response.status_code < 500, (path, name)
    for path in (f"/manage/collections/{text}/", f"/api/v1/collections/{text}"):
        assert super_.get(path).status_code in (400, 404)
    forms = [("/manage/upload", "collection", "files"), ("/manage/upload/file", "collection", "file")]
    for path, name, file in forms:
        assert super_.post(path, {name: text, file: a_file()}).status_code < 500, path
    for path, names in (
        ("/manage/search-as", ("user", "q")),
        ("/manage/documents/change", ("collection", "all")),
        ("/manage/pipelines/new", ("name", "note", "action")),
        ("/manage/pipelines/of/light/activate", ("version",)),
        ("/account/keys", ("name", "scopes", "collections")),
        ("/sign-in", ("username", "password")),
        (f"/answers/{here.trace.pk}/feedback", ("liked", "reason")),
    ):
        assert super_.post(path, dict.fromkeys(names, text)).status_code < 500, path
    for path in ("/answers", "/search"):
        assert api(here, "owner", "POST", path[1:], question=f"ferry {text}")[0] < 500
