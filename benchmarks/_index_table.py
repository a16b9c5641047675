"""The results of `make bench-index` as one table."""

from collections.abc import Sequence
from typing import Any

from _common import table

ENGINES = ("embedded", "opensearch", "opensearch, one segment")


def show(results: dict[str, Any], counts: Sequence[int]) -> None:
    """A column for each index and size that was measured, and how much the largest is of the smallest."""
    flat = {
        (engine, count): _flat(results.get(f"{engine}, building {count:,}", {}), at, count)
        for engine in ENGINES
        for count in counts
        if (at := results.get(f"{engine}, {count:,}"))
    }
    rows = []
    for name in dict.fromkeys(name for of in flat.values() for name in of):
        row: dict[str, object] = {"": name}
        for engine in ENGINES:
            values = [(count, flat[engine, count].get(name)) for count in counts if (engine, count) in flat]
            row |= {f"{engine} {count:,}": "" if v is None else float(v) for count, v in values}
            if len(values) > 1:
                first, last = values[0][1], values[-1][1]
                row[f"{engine} grows"] = f"x {last / first:.3g}" if first and last else ""
        rows.append(row)
    table("Both indexes", rows)


def _flat(build: dict[str, Any], at: dict[str, Any], count: int) -> dict[str, float | None]:
    flat: dict[str, float | None] = {
        name: build.get(name) for name in ("passages/s", "passages/s, merges awaited", "processor s")
    }
    flat |= {f"disk MB, {part}": size / 1e6 for part, size in sorted(at["disk"].items())}
    flat["disk bytes a passage"] = sum(at["disk"].values()) / count
    for when, memory in at["memory"].items():
        flat |= {f"memory MB, {when}: {part}": mb for part, mb in memory.items()}
    for name, times in at["ms"].items():
        flat |= {
            f"{name}, ms {part}" if part != "per s" else f"{name}, per s": t for part, t in times.items()
        }
    flat |= {f"recall@100, {where}": value for where, value in at["recall"].items()}
    return flat | {"open ms": at["open ms"], "documents s": at["documents s"]}
