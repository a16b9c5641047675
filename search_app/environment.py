"""Values from the environment, each checked when it is read. Needs no Django: workers use it too.

What is wrong ends the process with a sentence and the exit code by which the web server gives up, instead
of trying again and again.
"""

import math
import os
import sys
from pathlib import Path
from typing import NoReturn

BOOT_FAILED = 4
"""Exit code of a process that cannot start as it is set; gunicorn then stops, too."""


def wrong(sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    raise SystemExit(BOOT_FAILED)


def flag(name: str) -> bool:
    """`1`, `true`, `yes` and `on` are true; absent, empty and everything else is false."""
    return os.environ.get(name, "").strip().lower() in {"1", "true", "yes", "on"}


def words(name: str, default: str) -> list[str]:
    """What stands between commas."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def number(name: str, default: float, *, least: float = 0.0) -> float:
    """A number of at least `least`; the default where it is absent or empty."""
    said = os.environ.get(name, "").strip()
    try:
        value = float(said) if said else float(default)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < least:
        wrong(f"{name} is {said!r}. It must be a number of at least {least:g}, such as {default:g}.")
    return value


def whole(name: str, default: int, *, least: int = 0) -> int:
    """A whole number of at least `least`."""
    value = number(name, default, least=least)
    if value != int(value):
        wrong(f"{name} is {os.environ[name]!r}. It must be a whole number, such as {default}.")
    return int(value)


def secret(name: str) -> str:
    """The value of the variable, or what stands in the file that `<name>_FILE` names, less a line end."""
    value, path = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
    if not path:
        return value
    if value:
        wrong(f"{name} and {name}_FILE are both set. Keep one of them.")
    try:
        found = Path(path).read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        wrong(f"{name}_FILE names {path}, which cannot be read: {reason}.")
    if not found:
        wrong(f"{name}_FILE names {path}, which is empty.")
    return found
