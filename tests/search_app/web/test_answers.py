"""A kept answer: who may share it, who may read it then, and one word of each person on it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from rag.errors import SieveError
from search_app import feedback
from search_app.access import Viewer
from search_app.models import Collection, Feedback
from tests.search_app.web.conftest import ask


def test_sharing_opens_an_answer_to_who_may_read_its_passages(filled: None, client: Client) -> None:
    record = ask(client)
    stranger = Client()
    assert stranger.get(f"/answers/{record.pk}").status_code == 404
    response = client.post(f"/answers/{record.pk}/share", {"on": "1"})
    assert response.headers["Location"] == f"/answers/{record.pk}#actions"
    page = stranger.get(f"/answers/{record.pk}").content.decode()
    assert "north pier" in page and "shared with you" in page
    assert "Asked before" not in page and "stop sharing" not in page
    client.post(f"/answers/{record.pk}/share", {"on": "0"})
    assert stranger.get(f"/answers/{record.pk}").status_code == 404


def test_a_shared_answer_stays_closed_to_who_may_not_read_its_passages(
    filled: None, client: Client, dana: User
) -> None:
    Collection.objects.get(name="board").readers.add(dana)
    client.force_login(dana)
    record = ask(client, "Will the ferry company be sold?", collection="board")
    client.post(f"/answers/{record.pk}/share", {"on": "1"})
    assert b"sold in spring" in client.get(f"/answers/{record.pk}").content
    stranger = Client()
    assert stranger.get(f"/answers/{record.pk}").status_code == 404
    assert stranger.post(f"/answers/{record.pk}/feedback", {"liked": "1"}).status_code == 404
    stranger.force_login(User.objects.create_user("other", password="long enough to pass"))
    assert stranger.get(f"/answers/{record.pk}").status_code == 404


def test_only_who_asked_may_share(filled: None, client: Client) -> None:
    record = ask(client)
    client.post(f"/answers/{record.pk}/share", {"on": "1"})
    admin = Client()
    admin.force_login(User.objects.create_superuser("root", password="long enough to pass"))
    for other in (Client(), admin):
        assert other.post(f"/answers/{record.pk}/share", {"on": "0"}).status_code == 404
    record.refresh_from_db()
    assert record.shared
    assert client.get(f"/answers/{record.pk}/share").status_code == 405


def test_the_trace_is_linked_only_where_it_may_be_read(filled: None, client: Client, dana: User) -> None:
    board = Collection.objects.get(name="board")
    board.readers.add(dana)
    client.force_login(dana)
    record = ask(client)
    assert b"Open trace" in client.get(f"/answers/{record.pk}").content
    record.documents = [*record.documents, str(board.documents.get().pk)]
    record.used = [d for d in record.used if d != str(board.documents.get().pk)]
    record.save()
    board.readers.remove(dana)
    assert b"Open trace" not in client.get(f"/answers/{record.pk}").content


def test_feedback_without_scripts(filled: None, client: Client) -> None:
    record = ask(client)
    client.post(f"/answers/{record.pk}/feedback", {"liked": "0"})
    assert b"What was wrong?" in client.get(f"/answers/{record.pk}").content
    client.post(f"/answers/{record.pk}/feedback", {"liked": "0", "reason": "  <b>out of date</b> "})
    said = Feedback.objects.get()
    assert (said.liked, said.reason) == (False, "<b>out of date</b>")
    assert b"&lt;b&gt;out of date" in client.get(f"/answers/{record.pk}").content
    client.post(f"/answers/{record.pk}/feedback", {"liked": "1"})
    assert Feedback.objects.get().liked
    client.post(f"/answers/{record.pk}/feedback", {"liked": ""})
    assert not Feedback.objects.exists()


def test_a_script_gets_the_renewed_buttons(filled: None, client: Client) -> None:
    record = ask(client)
    response = client.post(f"/answers/{record.pk}/feedback", {"liked": "1"}, headers={"X-Fragment": "1"})
    html = response.content.decode()
    assert html.lstrip().startswith('<div class="actions"') and "csrfmiddlewaretoken" in html


def test_each_person_has_one_word(filled: None, client: Client, dana: User) -> None:
    record = ask(client)
    client.post(f"/answers/{record.pk}/share", {"on": "1"})
    other = Client()
    other.force_login(dana)
    for one in (client, other, other):
        one.post(f"/answers/{record.pk}/feedback", {"liked": "1"})
    assert Feedback.objects.count() == 2


def test_feedback_of_nobody_and_too_long_a_reason_is_refused(filled: None, client: Client) -> None:
    record = ask(client)
    with pytest.raises(SieveError, match="Sign in"):
        feedback.give(Viewer(), record, True)
    with pytest.raises(SieveError, match="1,000"):
        feedback.give(Viewer(asker="x"), record, True, "x" * 1001)
    html = client.post(
        f"/answers/{record.pk}/feedback",
        {"liked": "1", "reason": "x" * 1001},
        headers={"X-Fragment": "1"},
    ).content.decode()
    assert "longer than 1,000" in html
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("address", ["share", "feedback"])
def test_acting_needs_the_token_of_a_form(filled: None, address: str) -> None:
    client = Client(enforce_csrf_checks=True)
    record = ask(client)
    data = {"on": "1", "liked": "1"}
    assert client.post(f"/answers/{record.pk}/{address}", data).status_code == 403
    page = client.get(f"/answers/{record.pk}").content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    sent = data | {"csrfmiddlewaretoken": token}
    assert client.post(f"/answers/{record.pk}/{address}", sent).status_code == 302


def test_the_buttons_of_a_streamed_answer_carry_a_token_that_counts(filled: None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/ask", {"q": "ferry"})
    body = b"".join(client.get("/ask/stream", {"q": "When does the ferry leave?"}).streaming_content).decode()
    token = body.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    address = body.split('data-answer-url="')[1].split('"')[0]
    sent = {"liked": "1", "csrfmiddlewaretoken": token}
    assert client.post(f"{address}/feedback", sent).status_code == 302
    assert Feedback.objects.get().liked
