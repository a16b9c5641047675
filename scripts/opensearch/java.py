"""Which Java there is."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

PLACES = (
    *("/usr/lib/jvm/*", "/usr/local/lib/jvm/*", "/opt/java/*"),
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
)


def homes() -> Iterable[Path]:
    """Every Java home that is named, on PATH, or in a usual place."""
    for name in ("OPENSEARCH_JAVA_HOME", "JAVA_HOME"):
        if value := os.environ.get(name):
            yield Path(value)
    if java := shutil.which("java"):
        yield Path(java).resolve().parent.parent
    for place in PLACES:
        yield from sorted(Path("/").glob(place.lstrip("/")))


def major(home: Path) -> int:
    """Its version's first number, 0 where it is no Java."""
    if not os.access(home / "bin" / "java", os.X_OK):
        return 0
    try:
        said = (home / "release").read_text("utf-8", "replace")
        found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', said, re.MULTILINE)
    except OSError:
        done = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True)
        found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found[1]) if found else 0


def all_majors() -> dict[Path, int]:
    return {home: number for home in dict.fromkeys(homes()) if (number := major(home))}


def fitting(lowest: int, highest: int, best: int) -> Path | None:
    """The home of a Java between the two, the best one first; None where there is none."""
    found = {home: number for home, number in all_majors().items() if lowest <= number <= highest}
    return min(found, key=lambda home: abs(found[home] - best), default=None)
