"""What the page that streams is sent: found, passages, what is said so far, the whole."""

import re
from collections.abc import Sequence

import pytest
from django.test import Client

from rag.errors import GenerationUnavailable
from search_app.models import TraceRecord
from search_app.pages import live
from tests.search_app.scripted import Scripted, scripted  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
QUESTION = "When does the ferry leave?"
SAID = re.compile(r'<section class="said".*?</section>', re.DOTALL)


def frames(client: Client) -> list[tuple[str, str]]:
    """Names and data of the events, comments left out."""
    body = b"".join(client.get("/ask/stream", {"q": QUESTION}).streaming_content).decode()
    found = []
    for frame in body.split("\n\n"):
        name, *lines = frame.split("\n")
        if name.startswith("event: "):
            found.append(
                (name.removeprefix("event: "), "\n".join(one.removeprefix("data: ") for one in lines))
            )
    return found


def names(sent: Sequence[tuple[str, str]]) -> list[str]:
    return [name for name, _ in sent]


@pytest.fixture
def every_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "GAP_S", 0.0)
    monkeypatch.setattr(live, "SHARE", 0)


def test_what_is_said_so_far_is_what_will_have_been_said(
    filled: None,
    scripted: Scripted,  # noqa: F811
    every_piece: None,
    client: Client,
) -> None:
    scripted.more = 3
    sent = frames(client)
    assert names(sent) == ["found", "passages", *["answer"] * 5, "done"]
    so_far = [data for name, data in sent if name == "answer"]
    lengths = [len(one) for one in so_far]
    assert lengths == sorted(lengths) and len(set(lengths)) == 5
    kept = client.get(f"/answers/{TraceRecord.objects.get().pk}").content.decode()
    done, stored = SAID.search(sent[-1][1]), SAID.search(kept)
    assert done and stored and done[0] == stored[0]
    assert 'class="cite"' in so_far[1] and 'class="cite"' not in so_far[0]
    assert "unsupported" not in so_far[-1] and "unsupported" in done[0], "doubts come with the whole answer"


def test_pieces_that_come_together_are_sent_together_and_the_last_always(
    filled: None,
    scripted: Scripted,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    client: Client,
) -> None:
    monkeypatch.setattr(live, "GAP_S", 60.0)
    scripted.more = 20
    sent = frames(client)
    assert names(sent) == ["found", "passages", "answer", "answer", "done"]
    assert sent[-2][1].count(" And on.") == 20


def test_a_generator_that_breaks_off_leaves_its_text_with_a_note(
    filled: None,
    scripted: Scripted,  # noqa: F811
    client: Client,
) -> None:
    scripted.fault = GenerationUnavailable("the server <went> away.")
    done = frames(client)[-1]
    assert done[0] == "done" and "It leaves." in done[1] and 'class="card' in done[1]
    assert "could not be written to its end: the server &lt;went&gt; away." in done[1]
    assert "The answer ends here" in done[1]


def test_a_refusal_is_a_verdict_from_its_first_words(
    filled: None,
    scripted: Scripted,  # noqa: F811
    client: Client,
) -> None:
    scripted.ends = "no_answer"
    sent = dict(frames(client))
    assert 'class="verdict"' in sent["answer"] and 'class="answer' not in sent["answer"]
    assert "What was found instead" in sent["done"]
