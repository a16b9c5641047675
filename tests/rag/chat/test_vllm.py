"""The real vLLM as a chat: the contract, what it remembers, and that it stops when the asker leaves."""

import re
import time
import urllib.request
from collections.abc import Iterator

import pytest

from rag.chat import openai
from rag.chat.base import Ended, Limits, Message
from rag.chat.openai import OpenAIChat
from rag.errors import GenerationUnavailable
from tests import vllm
from tests.contracts.chat import LONG_S, ChatContract

SENTENCES = "".join(f"Ferry {n} leaves pier {n} at {n % 12 + 1} in the morning. " for n in range(60))


def chat() -> OpenAIChat:
    server = vllm.running("chat")
    return openai.connect(server.services["openai"], server.model)


def number(metric: str) -> float:
    """What the server itself says of a number."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{vllm.running('chat').url}/metrics", timeout=30) as reply:
        text = reply.read().decode()
    found = re.findall(rf"^{re.escape(metric)}(?:{{[^}}]*}})? ([0-9.e+-]+)$", text, re.MULTILINE)
    assert found, f"vLLM has no {metric}"
    return sum(map(float, found))


def at_work() -> float:
    return number("vllm:num_requests_running") + number("vllm:num_requests_waiting")


@pytest.fixture
def idle() -> Iterator[None]:
    until = time.monotonic() + 60
    while at_work():
        assert time.monotonic() < until
        time.sleep(0.2)
    yield


@pytest.mark.vllm("chat")
class TestVllm(ChatContract):
    @pytest.fixture
    def chat(self) -> OpenAIChat:
        return chat()


@pytest.mark.vllm("chat")
@pytest.mark.parametrize("pieces", [0, 5], ids=["before the first token", "in the middle"])
def test_it_stops_within_a_second_when_the_asker_leaves(pieces: int, idle: None) -> None:
    messages = [Message("system", f"{pieces}"), Message("user", SENTENCES + "Tell all of it again.")]
    writing = chat().stream(messages, Limits(max_tokens=2000), deadline=time.monotonic() + LONG_S)
    seen = 0
    for piece in writing:
        seen += bool(piece)
        if seen >= pieces and number("vllm:num_requests_running") == 1:
            break
    writing.close()
    began = time.monotonic()
    while at_work():
        assert time.monotonic() - began < 1, "vLLM goes on writing for nobody"
        time.sleep(0.02)


@pytest.mark.vllm("chat")
def test_a_deadline_ends_the_writing_there_too(idle: None) -> None:
    messages = [Message("system", "x"), Message("user", SENTENCES + "Tell all of it again.")]
    with pytest.raises(GenerationUnavailable):
        list(chat().stream(messages, Limits(max_tokens=2000), deadline=time.monotonic() + 1))
    began = time.monotonic()
    while at_work():
        assert time.monotonic() - began < 1
        time.sleep(0.02)


def ended(question: str, salt: str, prefix: str) -> Ended:
    messages = [Message("system", prefix), Message("user", f"{SENTENCES}\n{question}")]
    *_, last = chat().stream(messages, Limits(max_tokens=2), deadline=time.monotonic() + LONG_S, salt=salt)
    assert isinstance(last, Ended)
    return last


@pytest.mark.vllm("chat")
def test_the_second_question_about_the_same_is_remembered_and_only_for_its_asker() -> None:
    prefix = f"Answer. {time.time_ns()}"
    assert ended("When does ferry 3 leave?", "one", prefix).cached_tokens < 100
    again = ended("When does ferry 4 leave?", "one", prefix)
    assert again.cached_tokens > 0.8 * again.prompt_tokens
    assert ended("When does ferry 4 leave?", "another", prefix).cached_tokens < 100


@pytest.mark.vllm("chat")
def test_what_it_says_of_itself() -> None:
    model = chat()
    assert model.context_tokens == 8192
    counts = model.count(["The ferry leaves at seven.", "早上好"])
    assert counts[0] == 6
    assert counts[1] >= 3


@pytest.mark.vllm("chat")
def test_more_than_its_context_is_refused_in_a_sentence() -> None:
    messages = [Message("system", "x"), Message("user", "words and more words " * 3000)]
    with pytest.raises(GenerationUnavailable, match=r"refused the request \(HTTP 400\)"):
        list(chat().stream(messages, Limits(max_tokens=5), deadline=time.monotonic() + LONG_S))


@pytest.mark.vllm("chat")
def test_it_lives_and_another_model_does_not() -> None:
    server = vllm.running("chat")
    service = server.services["openai"]
    assert openai.alive(service, server.model, deadline=time.monotonic() + 60) == ("",)
    (said,) = openai.alive(service, "another", deadline=time.monotonic() + 60)
    assert "does not know" in said
