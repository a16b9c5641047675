"""1,000 random and hostile requests: no 500, no trace of internals, every error in the one shape."""

import io
import json
import random
import string
import uuid
import zipfile
from typing import Any

import pytest

from search_app.models import Document
from tests.search_app.api.conftest import ApiClient

INTERNALS = ("Traceback", 'File "', "search_app", "django", "sqlite", ".py", "site-packages", "object at 0x")
REQUESTS = 1000
NASTY = [
    *("", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\u202e\u2066", "\ufeff", "\U0010ffff", "é" * 900),
    *("../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "C:\\x", "%2e%2e%2f", "file:///etc/passwd", "."),
    *("' OR 1=1 --", '"; DROP TABLE x; --', "<script>alert(1)</script>", "{{7*7}}", "$(id)"),
    *("\r\nSet-Cookie: a=b", "title:ferry AND (", 'field:"unbalanced', "*" * 1999, "[1 TO", "a~9"),
    *("x" * 2000, "x" * 2001, "\n" * 2000, "😀" * 1000, "%00", "%s%n%p", "null", "NaN", "-0", "1e309"),
]
NUMBERS: list[Any] = [0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 1.5, -0.0, 1e308, 5.0]
VALUES: list[Any] = [None, True, False, [], {}, [[]], {"": ""}, *NUMBERS, *NASTY]
FIELDS = [
    *("question", "collections", "pipeline", "top", "filters", "stream", "formats", "documents", "id", "pk"),
    *("name", "title", "language", "public", "readers", "groups", "trace", "liked", "reason", "__proto__"),
    *("query", "model", "top_n", "rank_fields", "return_documents", "budget_ms"),
]
ROUTES = [
    *[("post", p) for p in ("search", "answers", "rerank", "collections", "feedback", "nothing/")],
    *[("patch", "collections/notes"), ("patch", "collections/absent"), ("delete", "collections/notes")],
    *[("get", p) for p in ("collections", "documents", "traces", "documents/{n}", "documents/{n}/text")],
    *[("get", p) for p in ("traces/{n}", "collections/{n}")],
    ("put", "documents/{n}/content"),
    *[("post", "documents/{n}/retry"), ("delete", "documents/{n}")],
]


def value(r: random.Random, depth: int = 0) -> Any:
    pick = r.random()
    if pick < 0.15 and depth < 4:
        return [value(r, depth + 1) for _ in range(r.randint(0, 4))]
    if pick < 0.3 and depth < 4:
        return {r.choice([*FIELDS, *NASTY]): value(r, depth + 1) for _ in range(r.randint(0, 4))}
    if pick < 0.4:
        letters = ((r.randint(0, 127), r.randint(0, 0x10FFFF)) for _ in range(r.randint(0, 30)))
        return "".join(chr(r.choice(pair)) for pair in letters)
    return r.choice(VALUES)


def body(r: random.Random) -> bytes:
    """Mostly an object with known fields; sometimes what is no JSON at all."""
    known = {"question": "ferry", "name": "new", "trace": str(uuid.UUID(int=7)), "liked": True}
    known = {k: v for k, v in known.items() if r.random() < 0.5}
    made = known | {r.choice(FIELDS): value(r) for _ in range(r.randint(0, 5))}
    if r.random() < 0.4:  # what is well formed reaches the index
        made = {"question": r.choice(NASTY)}
    text = json.dumps(made, ensure_ascii=r.random() < 0.5)
    pick = r.random()
    if pick < 0.05:
        text = "[" * r.choice([19, 21, 200, 100_000]) + text
    elif pick < 0.08:
        text = '{"a":' * r.choice([21, 50_000])
    elif pick < 0.12:
        text = '{"question": "a", "question": "b"}'
    elif pick < 0.15:
        text = '{"question": "ferry", "top": ' + "9" * r.choice([20, 400, 5000]) + "}"
    elif pick < 0.18:
        text = text[: r.randint(0, len(text))]
    elif pick < 0.21:
        text = '{"question": "' + "x" * r.choice([255, 300_000]) + '"}'
    data = text.encode("utf-8", "surrogatepass")
    if r.random() < 0.05:
        data = bytes(r.randbytes(r.randint(0, 200)))
    return data.decode("latin-1").encode("utf-16") if r.random() < 0.02 else data


def headers(r: random.Random) -> dict[str, str]:
    """What a server lets through: no line ends, everything else."""
    found = {}
    if r.random() < 0.12:
        accept = ["*/*", "text/html", "text/event-stream", "application/json;q=x", ";;;", "a/b/c", "é"]
        accept += ["*/" * 500]
        found["HTTP_ACCEPT"] = r.choice(accept)
    if r.random() < 0.2:
        found["HTTP_IDEMPOTENCY_KEY"] = r.choice(["", "k", "x" * 201, "é", "\0", " ", "{}"])
    if r.random() < 0.1:
        found["HTTP_AUTHORIZATION"] = r.choice(
            ["Bearer", "bearer sv_a_b", "Bearer é", "Basic x", "Bearer " + "_" * 9000, "\0", "Bearer \0"]
        )
    if r.random() < 0.05:
        found["HTTP_COOKIE"] = r.choice(["sessionid=\0", "sessionid=" + "a" * 5000, ";;;=", "csrftoken=é"])
    if r.random() < 0.05:
        found["HTTP_X_FORWARDED_FOR"] = r.choice(["", "é", "1.2.3.4, x", "::1", "9" * 5000])
    return found


def content_type(r: random.Random) -> str:
    usual = "application/json"
    odd = [
        *("", "text/plain", "application/json; charset=utf-16", "json", ";"),
        *("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x", "é/é"),
        *("application/x-www-form-urlencoded", "application/json" * 400, "text/event-stream", "*/*"),
    ]
    return usual if r.random() < 0.8 else r.choice(odd)


def packed(r: random.Random) -> bytes:
    """A small archive: names that climb, members that swell, one in the other, or damaged."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for _ in range(r.randint(0, 4)):
            member = zipfile.ZipInfo("x")
            member.filename = r.choice(NASTY).encode("utf-8", "replace").decode() or "x"  # as it stands
            archive.writestr(member, r.choice([b"", b"granite", b"\0" * 2_000_000, r.randbytes(50)]))
    data = out.getvalue()
    return data[: r.randint(0, len(data))] if r.random() < 0.3 else data


def form(r: random.Random) -> tuple[bytes, str]:
    """A form written by hand, so that names may be what no library would write."""
    boundary, lines = "----x", []
    for _ in range(r.randint(0, 4)):
        field = r.choice([*["file"] * 8, "folder", r.choice(["collection", *NASTY])])
        name = r.choice([*NASTY, "a.md", "b.txt", "c.pdf", "d.zip", "e.docx", "x" * 3000 + ".md"])
        head = f'Content-Disposition: form-data; name="{field}"'
        head += f'; filename="{name}"' if field == "file" or r.random() < 0.2 else ""
        content = (
            packed(r)
            if name.endswith(".zip")
            else r.choice([b"notes", b"", b"# Ferry", r.randbytes(100), b"%PDF-1.4 broken", b"\xff\xfe\x00"])
        )
        lines += [f"--{boundary}\r\n{head}\r\n\r\n".encode("utf-8", "surrogatepass"), content, b"\r\n"]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="collection"'
    lines.append(f"{head}\r\n\r\nnotes\r\n".encode())
    end = b"" if r.random() < 0.1 else f"--{boundary}--\r\n".encode()
    return b"".join(lines) + end, f"multipart/form-data; boundary={boundary}"


def query(r: random.Random) -> str:
    if r.random() < 0.5:
        return ""
    names = ["cursor", "limit", "collection", "state", "format", "documents", "q"]
    letters = string.printable + "\0é😀"
    texts = [r.choice([*NASTY, "".join(r.choices(letters, k=8)), str(r.choice(NUMBERS))]) for _ in range(2)]
    pairs = [f"{r.choice(names)}={t}" for t in texts]
    return "&".join(pairs).encode("utf-8", "replace").decode("latin-1")


def send(client: ApiClient, r: random.Random) -> Any:
    if r.random() < 0.35:
        data, kind = form(r)
        return client.generic("POST", "/api/v1/documents", data, kind, **headers(r))
    method, path = r.choice(ROUTES)
    number = r.choice([*map(str, NUMBERS), *NASTY, *(str(n) for n in range(1, 9))])
    path = path.replace("{n}", number.encode("utf-8", "replace").decode())
    data = body(r) if method in ("post", "patch", "put") else b""
    extra = headers(r) | {"QUERY_STRING": query(r)}
    return client.generic(method.upper(), f"/api/v1/{path}", data, content_type(r), **extra)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("seed", range(4))
def test_nothing_breaks_it(
    filled: None, staff: ApiClient, nobody: ApiClient, settings: Any, tmp_path: Any, seed: int
) -> None:
    settings.CONTENT_DIR = tmp_path / "contents"
    settings.API_RATE_KEY = settings.API_RATE_USER = settings.API_RATE_ANONYMOUS = "1000000/minute"
    r, statuses = random.Random(seed), set()
    for number in range(REQUESTS // 4):
        client = staff if r.random() < 0.85 else nobody
        response = send(client, r)  # the client checks the shape of every error
        asked = response.request
        where = f"seed {seed}, request {number}: {asked['REQUEST_METHOD']} {asked['PATH_INFO']}"
        assert response.status_code < 500 or response.status_code == 503, where
        if response.status_code >= 400:
            said = response.content.decode()
            assert not [word for word in INTERNALS if word in said], f"{where}: {said}"
            assert len(said) < 20_000, where
        elif response.streaming:
            b"".join(response.streaming_content)
        statuses.add(response.status_code)
    assert {200, 202, 400, 404, 415} <= statuses, "the requests reach deep enough to mean something"
    assert {p.name for p in tmp_path.iterdir()} <= {"notes", "specs", "index", "contents"}
    names = set(Document.objects.values_list("name", flat=True))
    assert not [name for name in names if name.startswith("/") or ".." in name.split("/")]
