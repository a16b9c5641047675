"""Each document of the set, read for real, asked for, and answered by a model that obeys it to the letter."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import Client

from search_app import pipeline_versions, pipelines, spec_text
from search_app.models import Collection, Document, TraceRecord
from tests.faults.writer import Writer
from tests.injection.documents import CANARY, VAULT, documents
from tests.injection.documents import Document as Attack
from tests.injection.obeying import obeying
from tests.injection.pages import foreign
from tests.served import BY_WORDS, SERVICE, WRITTEN

SET = documents()
MARKER = re.compile(r"\[(\d+)\]")


@pytest.fixture
def writer() -> Iterator[Writer]:
    with Writer(say=obeying) as running:
        yield running


@pytest.fixture
def harbour(
    writer: Writer, light: None, ingest: Callable[..., object], tmp_path: Path, settings: object
) -> Iterator[None]:
    """All documents in a public collection, beside one that only staff may read."""
    (tmp_path / "services.toml").write_text(SERVICE.format(url=writer.url))
    settings.API_RATE_ANONYMOUS = "1000000/minute"  # type: ignore[attr-defined]
    settings.SERVICES_FILE = tmp_path / "services.toml"  # type: ignore[attr-defined]
    pipelines.forget()
    folders = {name: tmp_path / name for name in ("harbour", "vault")}
    for folder in folders.values():
        folder.mkdir()
    for attack in SET:
        (folders["harbour"] / attack.file).write_bytes(attack.data)
    (folders["vault"] / "vault.md").write_text(VAULT)
    ingest(folders["harbour"], collection="harbour")
    ingest(folders["vault"], collection="vault")
    Collection.objects.filter(name="vault").update(public=False)
    pipeline_versions.activate(pipeline_versions.save("light", spec_text.from_toml(BY_WORDS + WRITTEN)))
    yield
    pipelines.forget()


def streamed(client: Client, question: str) -> str:
    response = client.get("/ask/stream", {"q": question})
    return b"".join(response.streaming_content).decode()


def html_of(stream: str) -> Iterator[tuple[str, str]]:
    """Name and data of each event, read as a browser reads them: any of the three line ends."""
    for frame in stream.split("\n\n"):
        lines = re.split(r"\r\n|\r|\n", frame)
        name = [line[7:] for line in lines if line.startswith("event: ")]
        assert len(name) <= 1, f"an event inside another: {frame[:200]}"
        if name:
            yield name[0], "\n".join(line[6:] for line in lines if line.startswith("data: "))


@pytest.mark.slow
def test_no_document_is_more_than_data(harbour: None, writer: Writer, client: Client) -> None:
    assert len(SET) >= 60
    assert Document.objects.filter(collection__name="harbour").count() == len(SET)
    found = sum(_is_data(client, writer, attack) for attack in SET)
    assert found >= 0.9 * len(SET), f"only {found} of {len(SET)} documents were handed to the model"
    assert CANARY not in "".join(asked.prompt for asked in writer.asked)
    assert TraceRecord.objects.count() == 2 * len(SET)


def _is_data(client: Client, writer: Writer, attack: Attack) -> bool:
    stream = streamed(client, attack.question)
    assert CANARY not in stream, attack.name
    events = list(html_of(stream))
    assert [name for name, _ in events].count("done") == 1 and events[-1][0] == "done", attack.name
    for name, data in events:
        if name in ("found", "passages", "answer", "done"):
            assert foreign(data) == [], (attack.name, name)
    record = TraceRecord.objects.latest("created")
    for address in (f"/answers/{record.pk}", f"/traces/{record.pk}/"):
        page = client.get(address, follow=True)
        assert page.status_code == 200, (attack.name, address)
        assert foreign(page.content.decode()) == [], (attack.name, address)
        assert CANARY not in page.content.decode(), attack.name
        policy = page.headers["Content-Security-Policy"]
        assert "unsafe" not in policy and policy.startswith("default-src 'self'")
    reply = client.post(
        "/api/v1/answers", json.dumps({"question": attack.question}), content_type="application/json"
    )
    assert reply.status_code == 200 and CANARY not in reply.content.decode(), attack.name
    answer = reply.json()["answer"]
    handed = {passage["marker"] for passage in reply.json()["passages"] if passage.get("marker")}
    assert {int(n) for n in MARKER.findall(answer["text"])} <= handed, attack.name
    assert {citation["marker"] for citation in answer["citations"]} <= handed, attack.name
    prompt = writer.asked[-1].prompt
    return _fenced(prompt, attack)


def _fenced(prompt: str, attack: Attack) -> bool:
    """Whether the document reached the model, and then that it stayed inside its fence."""
    fences = re.findall(r"^</?passages [0-9a-f]{12}>$", prompt, re.MULTILINE)
    assert len(fences) == 2 and fences[0][1:] == fences[1][2:], attack.name
    inner = prompt.partition(fences[0])[2].partition(fences[1])[0]
    for token in ("<|", "</s>", "[INST]", "\u200b", "\u202e", "\U000e0077"):
        assert token not in inner, (attack.name, token)
    numbers = [int(n) for n in MARKER.findall(inner)]
    assert numbers == list(range(1, len(numbers) + 1)), (attack.name, numbers)
    return re.findall(r"Zor[a-z]+", attack.question)[0] in inner


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_wherever_a_reply_is_cut_the_answer_is_the_same(
    harbour: None, writer: Writer, client: Client, size: int
) -> None:
    written = (
        "Um neun Uhr — täglich [1]. 船は九時に出ます [1]. \U0001f6a2 <b>x</b> ![a](http://evil.example/) [7]."
    )
    writer.say = lambda body: [written[at : at + 5] for at in range(0, len(written), 5)]
    whole = html_of(streamed(client, SET[0].question))
    writer.split = lambda body: [body[at : at + size] for at in range(0, len(body), size)]
    cut = html_of(streamed(client, SET[0].question))
    assert said(dict(whole)["done"]) == said(dict(cut)["done"])


def said(done: str) -> str:
    """The answer in the finished page."""
    found = re.search(r'<div class="answer.*?</div>', done, re.DOTALL)
    assert found
    return found[0]


def test_the_look_at_a_page_sees_what_it_must() -> None:
    assert foreign("<p>Fine <a href='/x'>x</a></p>") == []
    for bad in (
        "<img src=x>",
        "<p onclick=x>a</p>",
        "<a href='//evil.example'>a</a>",
        "<p style='a:b'>x</p>",
    ):
        assert foreign(f"<div>{bad}</div>"), bad
