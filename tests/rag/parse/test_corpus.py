"""Real files, where they are at hand: ordinary ones, and damaged and hostile ones.

The folder is `$SIEVE_SHARED_DATA`, or `shared/data` beside the repository.
"""

import os
import re
import resource
from collections import Counter
from pathlib import Path

import pytest

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.limits import Limits
from rag.parse.sandbox import ParserPool
from tests.contracts.parser import check_invariants, words

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("SIEVE_SHARED_DATA") or ROOT.parent / "shared" / "data")


def files(*parts: str) -> list[Path]:
    folder = DATA.joinpath(*parts)
    if not folder.is_dir():
        pytest.skip(f"no folder {'/'.join(parts)} in SIEVE_SHARED_DATA or ../shared/data")
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "MANIFEST.tsv")


def parse_all(paths: list[Path]) -> dict[Path, ParsedDocument | str]:
    found: dict[Path, ParsedDocument | str] = {}
    with ParserPool(2, Limits(seconds=30)) as pool:
        futures = {path: pool.submit(path.read_bytes(), path.name) for path in paths}
        for path, future in futures.items():
            try:
                found[path] = future.result(timeout=120)
            except ParseError as error:
                found[path] = str(error)
    return found


@pytest.mark.parametrize(("folder", "least"), [("ordinary", 0.8), ("damaged", 0.5)])
def test_every_file_is_read_or_refused_with_a_reason(folder: str, least: float) -> None:
    paths = files("documents", folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = parse_all(paths)
    assert len(found) == len(paths)
    for path, result in found.items():
        if isinstance(result, ParsedDocument):
            check_invariants(result)
        else:
            assert re.fullmatch(r"(?s)[A-Z].{15,400}[.]", result), f"{path.name}: {result}"
            assert "crashed" not in result, f"{path.name}: {result}"
    assert sum(isinstance(result, ParsedDocument) for result in found.values()) >= least * len(paths)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * 1024, f"the parent grew by {grown // 1024} MiB"


def test_the_same_text_in_five_formats_gives_the_same_words() -> None:
    paths = [path for path in files("company_handbooks", "files") if path.parent.name == path.suffix[1:]][::9]
    names = {path.stem for path in paths if path.suffix == ".md"}
    paths = [path for path in files("company_handbooks", "files") if path.stem in names]
    found = parse_all([path for path in paths if path.parent.name == path.suffix[1:]])
    scores: dict[str, list[float]] = {}
    for path, result in found.items():
        assert isinstance(result, ParsedDocument)
        same = found[path.parent.parent / "md" / f"{path.stem}.md"]
        assert isinstance(same, ParsedDocument)
        mine, its = words(result.text), words(same.text)
        scores.setdefault(path.suffix, []).append(2 * (mine & its).total() / Counter.total(mine + its))
    assert scores.keys() == {".md", ".html", ".docx", ".pptx", ".pdf"}
    means = {kind: sum(values) / len(values) for kind, values in scores.items()}
    assert means[".html"] > 0.999 and means[".docx"] > 0.999, means
    assert means[".pptx"] > 0.99 and means[".pdf"] > 0.985, means
