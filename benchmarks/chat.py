"""Time to the first token and tokens a second of chat models, for a prompt of about a thousand tokens.

    benchmarks/chat.py --llama qwen2.5-coder-1.5b-instruct-q4_k_m
    benchmarks/chat.py --service vllm-chat/smollm2-135m-instruct

Three questions each: a new prompt; the same passages with another question, for the same asker; and for
another asker, for whom nothing is remembered.
"""

import argparse
import os
import time
from pathlib import Path

from _common import table, write

from rag import services
from rag.chat import llama, openai
from rag.chat.base import ChatModel, Ended, Limits, Message
from scripts.setup import model_dir

PASSAGES = "\n".join(
    f"[{n}] Ferry {n} leaves pier {n} at {n % 12 + 1} in the morning and takes bicycles."
    for n in range(1, 41)
)
ASKED = (("new", "one", 0), ("again, same asker", "one", 1), ("again, another asker", "two", 2))


def one(chat: ChatModel, begin: str, question: int, salt: str, tokens: int) -> tuple[float, Ended]:
    messages = [
        Message("system", f"Answer from the passages. {begin}"),
        Message(
            "user", f"{PASSAGES}\n\nTell all that is known of the ferries from number {question + 3} on."
        ),
    ]
    began, first = time.monotonic(), 0.0
    limits = Limits(max_tokens=tokens)
    for piece in chat.stream(messages, limits, deadline=began + 600, salt=salt):
        if isinstance(piece, Ended):
            return first, piece
        first = first or (time.monotonic() - began if piece else 0.0)
    raise AssertionError("a chat ends with how it ended")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--llama", metavar="MODEL", action="append", default=[])
    parser.add_argument("--service", metavar="SERVICE/MODEL", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    options = parser.parse_args()
    chats: dict[str, ChatModel] = {}
    for name in options.llama:
        began = time.monotonic()
        chats[f"llama/{name}"] = llama.load(name, model_dir() / name)
        print(f"{name} is loaded after {time.monotonic() - began:.1f} s")
    named = services.read(Path(os.environ["SIEVE_SERVICES"])) if options.service else {}
    for name in options.service:
        service, _, model = name.partition("/")
        chats[name] = openai.connect(named[service], model)
    rows: list[dict[str, object]] = []
    for name, chat in chats.items():
        one(chat, "warm", 0, "warm", 4)
        for what, salt, question in ASKED:
            found = []
            for n in range(options.rounds):
                begin = f"Round {n} of {os.getpid()}."
                if what != "new":
                    one(chat, begin, 0, "one", 1)
                found.append(one(chat, begin, question, salt, options.tokens))
            first_ms = 1000 * sorted(seconds for seconds, _ in found)[len(found) // 2]
            speed = sorted(ended.tokens_per_s for _, ended in found)[len(found) // 2]
            last = found[-1][1]
            rows.append(
                {
                    "model": name,
                    "question": what,
                    "prompt_tokens": last.prompt_tokens,
                    "cached_tokens": last.cached_tokens,
                    "written": last.completion_tokens,
                    "first_ms": round(first_ms),
                    "tokens_per_s": round(speed, 1),
                }
            )
            print(rows[-1], flush=True)
    table("Chat models", rows)
    write("chat", {"rows": rows})


if __name__ == "__main__":
    main()
