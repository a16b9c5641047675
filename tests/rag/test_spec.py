from pathlib import Path

import pytest

from rag import spec
from rag.errors import SpecError

SPECS = sorted(Path("search_app/specs").glob("*.toml"))


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_every_shipped_spec_loads_and_round_trips(path: Path) -> None:
    loaded = spec.load(path)
    assert spec.from_mapping(loaded.as_dict()) == loaded
    assert spec.from_mapping(loaded.as_dict()).fingerprint == loaded.fingerprint


def default() -> dict:
    return spec.load(Path("search_app/specs/default.toml")).as_dict()


def test_fingerprint_changes_with_any_value_and_not_with_order() -> None:
    data = default()
    assert spec.from_mapping(dict(reversed(data.items()))).fingerprint == spec.from_mapping(data).fingerprint
    data["blend"]["late"] += 0.05
    assert spec.from_mapping(data).fingerprint != spec.from_mapping(default()).fingerprint


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: d["rerank"].update(dept=3), "dept"),
        (lambda d: d["rerank"].pop("depth"), "depth"),
        (lambda d: d["fuse"].update(method="borda"), "fuse.method"),
        (lambda d: d["fuse"].update(bm25=1.5), "fuse.bm25"),
        (lambda d: d["context"].update(top="five"), "context.top"),
        (lambda d: d.pop("encoder"), "encoder"),
    ],
)
def test_a_wrong_spec_names_its_key(change, named: str) -> None:  # type: ignore[no-untyped-def]
    data = default()
    change(data)
    with pytest.raises(SpecError, match=named):
        spec.from_mapping(data)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[encoder\n")
    with pytest.raises(SpecError, match=r"mine\.toml"):
        spec.load(tmp_path / "mine.toml")


def test_a_default_that_is_written_out_changes_no_fingerprint() -> None:
    data = default()
    data["context"] |= {"near_duplicates": 0.0, "merge": False}
    data["rerank"]["stop_gap"] = 0.0
    data["generate"] |= {"temperature": 0.0, "seed": 0}
    written = spec.from_mapping(data)
    assert written.fingerprint == spec.from_mapping(default()).fingerprint
    data["generate"]["temperature"] = 0.1
    assert spec.from_mapping(data).fingerprint != written.fingerprint
