"""Models that are added to a store: from folders, pinned by their hashes, code only when vouched for."""

import json
import os
from pathlib import Path

import pytest

from rag.errors import ModelError
from rag.models import CATALOGUE, Model, ModelStore, added, torch_copy
from tests import models

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def named(name: str, own_code: str = "") -> Model:
    return Model(name, "cross-encoder", "MIT", "somebody/small", (), own_code=own_code)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "downloaded"
    (folder / "1_Pooling").mkdir(parents=True)
    for name, content in {
        "model.safetensors": "weights",
        "config.json": '{"auto_map": {"AutoModel": "somebody/small--modeling.Small"}}',
        "tokenizer.json": "{}",
        "modeling.py": "raise SystemExit('run')",
        "pytorch_model.bin": "a pickle",
        "README.md": "words",
        "1_Pooling/config.json": "{}",
    }.items():
        (folder / name).write_text(content)
    return folder


def test_a_folder_is_added_with_its_hashes_and_without_code_or_pickles(
    store: ModelStore, folder: Path
) -> None:
    made = store.add_from(named("small"), folder)
    assert [file.name for file in made.files] == ["config.json", "model.safetensors", "tokenizer.json"]
    home = store.path("small")
    assert {path.name for path in home.iterdir()} == {
        *("config.json", "model.safetensors", "tokenizer.json", "added.json", "verified.json")
    }
    again = ModelStore(store.folder)
    assert again.model("small") == made
    assert [model.name for model in again.catalogue] == [*(m.name for m in CATALOGUE), "small"]
    assert again.verify(["small"])[0].state == "ready"
    (home / "model.safetensors").write_text("others!")
    assert again.verify(["small"])[0].state == "broken"
    (home / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="Add it anew: manage.py models add"):
        again.path("small")


def test_the_digest_of_a_model_moves_with_each_of_its_files(store: ModelStore, folder: Path) -> None:
    first = store.add_from(named("small"), folder)
    assert first.digest("model.safetensors") == first.files[1].sha256
    assert first.digest("model.onnx") is None
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        before = store.add_from(named("small"), folder).digest("*")
        (folder / name).write_text('{"another": 1}')
        assert store.add_from(named("small"), folder).digest("*") != before


def test_code_comes_only_with_its_hash(store: ModelStore, folder: Path) -> None:
    with pytest.raises(ModelError, match="has the SHA-256"):
        store.add_from(named("small", own_code="0" * 64), folder)
    assert not (store.folder / "small").exists()
    read = added.code_digest({"modeling.py": added.sha256_of(folder / "modeling.py")})
    made = store.add_from(named("small", own_code=read), folder)
    assert "modeling.py" in [file.name for file in made.files]
    assert made.own_code == read
    config = json.loads((store.path("small") / "config.json").read_text())
    assert config["auto_map"] == {"AutoModel": "modeling.Small"}, "classes of this folder, not of a hub"


def test_the_hash_of_code_is_that_of_sha256sum() -> None:
    files = {"b.py": "22", "a.py": "11", "config.json": "33"}
    assert added.code_digest(files) == added.hashlib.sha256(b"11  a.py\n22  b.py\n").hexdigest()
    assert added.code_digest({"config.json": "33"}) == ""


def test_pickles_alone_are_refused(store: ModelStore, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"only pytorch_model\.bin: reading such a file may run"):
        store.add_from(named("small"), folder)
    with pytest.raises(ModelError, match="holds no weights"):
        store.add_from(named("small"), folder / "nowhere")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 101, "a\nb"])
def test_a_name_that_is_no_folder_is_refused(store: ModelStore, folder: Path, name: str) -> None:
    with pytest.raises(ModelError, match="cannot name a model"):
        store.add_from(named(name), folder)


def test_the_catalogue_keeps_its_names(store: ModelStore, folder: Path) -> None:
    with pytest.raises(ModelError, match="is a model of the catalogue"):
        store.add_from(named(CATALOGUE[0].name), folder)


@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:7], COMMIT.upper()])
def test_a_revision_that_moves_is_refused(store: ModelStore, revision: str) -> None:
    with pytest.raises(ModelError, match="is no commit of a model hub"):
        store.add_from(named("small"), hub=("somebody/small", revision))


def test_what_was_there_stays_until_the_new_one_is_whole(store: ModelStore, folder: Path) -> None:
    first = store.add_from(named("small"), folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError):
        store.add_from(named("small"), folder)
    assert ModelStore(store.folder).verify(["small"])[0].state == "ready"
    assert ModelStore(store.folder).model("small") == first


def test_a_record_that_was_moved_or_damaged_is_no_model(store: ModelStore, folder: Path) -> None:
    store.add_from(named("small"), folder)
    os.rename(store.folder / "small", store.folder / "renamed")
    assert added.read(store.folder) == ()
    os.rename(store.folder / "renamed", store.folder / "small")
    (store.folder / "small" / "added.json").write_text("{")
    assert added.read(store.folder) == ()


@pytest.mark.torch
@pytest.mark.models
def test_the_torch_copy_has_every_weight_and_is_the_same_each_time(store: ModelStore) -> None:
    source = models.folder(models.CROSS_ENCODER)
    made = [store.add(named("copy"), lambda into: torch_copy.make(named("copy"), source, into)) for _ in "ab"]
    assert made[0] == made[1]
    weights = torch_copy.dequantised(source / "model.onnx")
    assert len(weights) == 5 + 12 * 16 + 2 + 2
    assert weights["bert.encoder.layer.0.intermediate.dense.weight"].shape == (1536, 384)
    with pytest.raises(ModelError, match=r"has no bert\.encoder|is no int8 file"):
        torch_copy.dequantised(models.folder(models.ENCODER) / "model.onnx")
