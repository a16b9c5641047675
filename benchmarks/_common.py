"""What benchmarks share: invented texts, percentiles, a table, a JSON file."""

import json
import os
import random
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("SIEVE_SCORE_CACHE", "0")  # a question that is asked again must cost what it costs


def words(seed: int, count: int) -> str:
    """Text of so many words of the handbook, shuffled: real vocabulary, nobody's sentences."""
    draw = random.Random(seed)
    vocabulary = " ".join(p.read_text("utf-8") for p in sorted((ROOT / "docs").glob("*.md"))).split()
    return " ".join(draw.choice(vocabulary) for _ in range(count))


def percentiles(values: Sequence[float]) -> dict[str, float]:
    cut = statistics.quantiles(values, n=20) if len(values) > 1 else [values[0]] * 19
    return {"p50": statistics.median(values), "p95": cut[18]}


def table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows as aligned columns; numbers with up to three significant decimals."""
    print(f"\n{title}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names] + [[_cell(row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    for line in cells:
        print(
            "  "
            + "  ".join(
                c.ljust(w) if i == 0 else c.rjust(w)
                for i, (c, w) in enumerate(zip(line, widths, strict=True))
            )
        )


def _cell(value: object) -> str:
    return (
        f"{value:,.3g}"
        if isinstance(value, float) and abs(value) < 100
        else f"{value:,.0f}"
        if isinstance(value, float)
        else str(value)
    )


def write(name: str, result: Mapping[str, object]) -> None:
    """Keep the result as `bench/NAME.json` in the data folder."""
    folder = Path(os.environ.get("SIEVE_DATA_DIR") or ROOT / "var") / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(f"\nwritten to {folder / f'{name}.json'}")
