"""What the parsers make of folders of documents: counts by format, reasons, agreement between formats, speed.

    make bench-parse_table ARGS="FOLDER... [--workers N]"

Formats agree when the same text, kept as `…/md/NAME.md`, `…/docx/NAME.docx` and so on, gives the same
words: F1 between the multisets of words, against the Markdown.
"""

import argparse
import re
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from _common import write

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.sandbox import ParserPool

Outcome = tuple[Path, ParsedDocument | str, float]
_DETAIL = re.compile(r" in its part .*|\(.*?\)|'.*?'|: \.\w+|\d[\d,.]*( pages)?|a page")


def outcomes(folder: Path, workers: int) -> Iterator[Outcome]:
    """(file, document or reason, seconds since the file before it was ready), in order of name."""
    waiting: list[tuple[Path, Future[ParsedDocument]]] = []
    with ParserPool(workers) as pool:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != "MANIFEST.tsv":
                waiting.append((path, pool.submit(path.read_bytes(), path.name)))
        for path, future in waiting:
            began = time.perf_counter()
            try:
                found: ParsedDocument | str = future.result()
            except ParseError as error:
                found = str(error)
            yield path, found, time.perf_counter() - began


def agreement(outcomes: list[Outcome]) -> dict[str, dict[str, float]]:
    """Format to mean, smallest and tenth-percentile F1 against the Markdown of the same name."""
    texts: dict[tuple[Path, str], dict[str, Counter[str]]] = defaultdict(dict)
    for path, found, _ in outcomes:
        kind = path.suffix[1:]
        if path.parent.name == kind and isinstance(found, ParsedDocument):
            texts[path.parent.parent, path.stem][kind] = Counter(re.findall(r"\w+", found.text.lower()))
    scores: dict[str, list[float]] = defaultdict(list)
    for formats in texts.values():
        if "md" in formats:
            for kind, words in formats.items():
                common = (words & formats["md"]).total()
                scores[kind].append(2 * common / max(1, words.total() + formats["md"].total()))
    return {
        kind: {
            "files": len(values),
            "mean": sum(values) / len(values),
            "min": min(values),
            "p10": sorted(values)[len(values) // 10],
        }
        for kind, values in sorted(scores.items())
    }


def report(folder: Path, workers: int) -> dict[str, Any]:
    """Parse a folder and print its tables."""
    began = time.perf_counter()
    found = list(outcomes(folder, workers))
    seconds = time.perf_counter() - began
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    for path, result, _ in found:
        count = kinds[path.suffix.lower()[1:] or "none"]
        if isinstance(result, str):
            count["failed"] += 1
            reasons[_DETAIL.sub("…", result.partition(". ")[0])] += 1
            continue
        count["parsed"] += 1
        count["headings"] += len(result.headings)
        count["pages"] += len(result.pages)
        count["characters"] += len(result.text)
    columns = ("parsed", "failed", "headings", "pages", "characters")
    print(f"\n{folder.name}: {len(found)} files in {seconds:.1f} s, {len(found) / seconds:.0f} files/s")
    print(f"  {'format':8}" + "".join(f"{column:>12}" for column in columns))
    for kind, count in sorted(kinds.items()):
        print(f"  {kind:8}" + "".join(f"{count[column]:>12,}" for column in columns))
    for reason, number in reasons.most_common():
        print(f"  {number:4}  {reason}")
    agreed = agreement(found)
    for kind, score in agreed.items():
        print(
            f"  {kind:5} against md: mean {score['mean']:.4f}, p10 {score['p10']:.4f}, min {score['min']:.4f}"
        )
    return {
        "folder": folder.name,
        "files": len(found),
        "seconds": seconds,
        "formats": kinds,
        "reasons": reasons,
        "agreement": agreed,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    absent = [str(folder) for folder in arguments.folders if not folder.is_dir()]
    if absent:
        print(f"not a folder: {', '.join(absent)}", file=sys.stderr)
        return 2
    reports = [report(folder, arguments.workers) for folder in arguments.folders]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of a child {peak:.0f} MiB, of this process {own:.0f} MiB")
    write("parse_table", {"reports": reports, "child_peak_mib": peak, "parent_peak_mib": own})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
