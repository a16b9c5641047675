"""Rates as they stand in the settings. Apart, so that a check at the start needs no more of the API."""

import re

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


def parse(rate: str) -> tuple[int, int]:
    """`60/minute` as (60, 60 s). Raises `ValueError` naming what is possible."""
    match = re.fullmatch(r"\s*(\d+)\s*/\s*(second|minute|hour|day)s?\s*", rate)
    if match is None or int(match[1]) < 1:
        raise ValueError(f"{rate!r} is no rate. Write it like 60/minute; units: {', '.join(SECONDS)}.")
    return int(match[1]), SECONDS[match[2]]
