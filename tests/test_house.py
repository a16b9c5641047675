"""The house rules that a machine can check: floors, light imports, short files, true documentation."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = ("rag", "search_app", "workers", "scripts")
MAX_LINES = 300
HEAVY = (
    *("torch", "onnxruntime", "opensearchpy", "tokenizers", "scipy", "transformers"),
    "sentence_transformers",
)
"""What models and clusters need: loaded with the first question or document, never by an import."""
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
MADE_BY_BROWSER_TEST = {"docs/images/answer.png", "docs/images/trace.png"}

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"manage\.py ([a-z_]+)")
TARGET = re.compile(r"(?<![\w-])make ([a-z][a-z_-]*)")
CODE_SPAN = re.compile(r"```.*?```|`[^`\n]+`|^ {4}[^\n]*$", re.DOTALL | re.MULTILINE)
MODULE = re.compile(r"^(?:rag|search_app|workers|scripts|tests|docs|benchmarks)/[\w./-]+$")


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


@cache
def tracked() -> tuple[str, ...]:
    """Files of the project as git has them; empty where this is no checkout."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    return tuple(name for name in done.stdout.split("\0") if name and (ROOT / name).is_file())


def code_in(page: Path) -> str:
    """Code spans and blocks of a page: what a reader would type."""
    return "\n".join(CODE_SPAN.findall(page.read_text("utf-8")))


# --- Floors ------------------------------------------------------------------------------------------------


def test_imports_only_go_down() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "import rag",
        "import rag.types, rag.errors, rag.spec, rag.pipeline",
        "import search_app",
        "import django; django.setup(); import search_app.wsgi",
    ],
)
def test_an_import_loads_nothing_heavy(statement: str) -> None:
    done = python(f"import sys; {statement}; print(*[m for m in {HEAVY} if m in sys.modules])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_the_ground_needs_the_standard_library_only() -> None:
    code = (
        "import sys; import rag.types, rag.trace, rag.errors, rag.models; "
        "print(*{m.partition('.')[0] for m in sys.modules} - sys.stdlib_module_names - {'rag', '__main__'})"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_no_file_is_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for folder in CODE
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts
    }
    assert lengths, "no code was found"
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}


# --- Documentation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_point_at_something(page: Path) -> None:
    for link in LINK.findall(page.read_text("utf-8")):
        if re.match(r"[a-z]+:|#", link):
            continue
        target = (page.parent / link.partition("#")[0]).resolve()
        name = str(target.relative_to(ROOT))
        assert target.exists() or name in MADE_BY_BROWSER_TEST, f"{page.name} links to {link}"


def test_the_pages_name_only_commands_that_exist() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "help", "--commands"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    known = set(done.stdout.split())
    named = {command for page in PAGES for command in COMMAND.findall(code_in(page))}
    assert {"ingest", "ask"} <= named
    assert named - known == set()


def test_the_pages_name_only_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    known = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    named = {target for page in PAGES for target in TARGET.findall(code_in(page))}
    benchmarks = {f"bench-{path.stem}" for path in ROOT.glob("benchmarks/*.py")}
    assert {"run", "test"} <= named
    assert named - known - benchmarks == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_pages_name_only_files_that_exist(page: Path) -> None:
    spans = re.findall(r"`([^`\n]+)`", page.read_text("utf-8"))
    named = {span for span in spans if MODULE.match(span) and "NAME" not in span}
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text("utf-8")
    records = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("0*.md"))
    assert [name for name in records if f"]({name})" not in listed] == []


def test_the_settings_table_is_whole() -> None:
    settings = (ROOT / "search_app" / "settings.py").read_text("utf-8")
    server = (ROOT / "search_app" / "gunicorn.py").read_text("utf-8")
    others = (*(ROOT / "workers").glob("*.py"), *(ROOT / "rag").rglob("*.py"))
    workers = "".join(path.read_text("utf-8") for path in sorted(others))
    read = set(re.findall(r"\"((?:SIEVE_|DATABASE_)[A-Z_]+)\"", settings + server + workers))
    operations = (ROOT / "docs" / "operations.md").read_text("utf-8")
    described = set(re.findall(r"`((?:SIEVE_|DATABASE_)[A-Z_]+)`", operations))
    assert read - described == set(), "read by the code, not described"


# --- What must not be in the project -----------------------------------------------------------------------


def test_no_tracked_file_names_a_machine_path() -> None:
    pattern = re.compile(r"(?:^|[^\w.~-])/(?:work|farm)/", re.MULTILINE)
    if not tracked():
        pytest.skip("this is no git checkout")
    guilty = []
    for name in tracked():
        data = (ROOT / name).read_bytes()
        if b"\0" not in data[:8000] and pattern.search(data.decode("utf-8", "replace")):
            guilty.append(name)
    assert guilty == []


def test_lock_files_have_hashes_and_no_address() -> None:
    for name in sorted(path.name for path in ROOT.glob("requirements*.lock")):
        text = (ROOT / name).read_text("utf-8")
        pins = re.split(r"\n(?=\S)", text.strip())
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins), name
        assert not re.search(r"https?:|--(?:extra-)?index-url|--find-links", text), name


def test_the_lock_covers_the_declared_dependencies() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text("utf-8").lower()
    for line in project["dependencies"]:
        name = re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0].lower()
        assert re.search(rf"^{re.escape(name)}==", lock, re.MULTILINE), f"make lock: {name} is not pinned"


def test_extras_are_locked_and_can_be_installed_together() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    base = (ROOT / "requirements.lock").read_text("utf-8").lower()
    pinned: dict[str, set[frozenset[str]]] = {}
    for extra, wanted in project["optional-dependencies"].items():
        lock = (ROOT / f"requirements-{extra}.lock").read_text("utf-8").lower()
        for line in wanted:
            name = re.escape(re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0].lower())
            assert re.search(rf"^{name}==", lock + base, re.MULTILINE), f"make lock: {name} is not pinned"
        versions: dict[str, set[str]] = {}
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE):
            versions.setdefault(name, set()).add(version)
        for name, found in versions.items():
            pinned.setdefault(name, set()).add(frozenset(found))
    assert {name for name, each in pinned.items() if len(each) > 1} == set(), "two versions of a package"


# --- The door ----------------------------------------------------------------------------------------------


def test_make_alone_lists_the_targets() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for target in ("setup", "run", "test", "lint", "check", "bench", "evaluate", "clean"):
        assert re.search(rf"^  make {target} +\S", done.stdout, re.MULTILINE), target


def test_without_a_suitable_python_there_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "scripts/python.sh", "-V"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Sieve needs Python 3.11 or newer" in done.stderr


def test_a_taken_port_is_said_in_a_sentence() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "scripts.run"],
            cwd=ROOT,
            env=os.environ | {"PORT": str(port)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"Port {port} is taken by another program. Choose another one: make run PORT={port + 1}"
    )
