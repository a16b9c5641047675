"""The shell lines of docs/api.md are run as they stand there."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from search_app import keys
from search_app.api.problems import KINDS
from search_app.models import Collection, Document, Feedback
from tests.search_app.conftest import KEPT_ORDER, LIGHT

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text("utf-8")
BLOCKS = [
    re.sub(r"^    ", "", block, flags=re.MULTILINE)
    for block in re.findall(r"(?:^    [^\n]*\n(?:^\n(?=    ))?)+", PAGE, re.MULTILINE)
]


@pytest.mark.django_db(transaction=True)
def test_the_shell_lines_work(
    live_server: object, ingest: Callable[..., object], folder: Path, tmp_path: Path, settings: Any
) -> None:
    settings.CONTENT_DIR = tmp_path / "contents"
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    (settings.SPEC_DIR / "light.toml").write_text(LIGHT + KEPT_ORDER)
    ingest(folder, collection="handbook")
    staff = User.objects.create_user("staff", is_staff=True)
    _, key = keys.make(staff, "handbook", keys.SCOPES)
    lines = [block for block in BLOCKS if "curl" in block]
    assert len(lines) >= 10
    script = [
        "set -euo pipefail",
        f"SIEVE={live_server}",
        f"KEY={key}",
        'curl() { command curl --fail-with-body --silent --show-error "$@"; }',
        *lines,
    ]
    command = ["bash", "-c", "\n".join(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "event: done" in done.stdout
    assert Collection.objects.get(name="letters").public
    assert not Document.objects.filter(collection__name="letters").exists()
    assert Feedback.objects.get().reason == "It quotes the old time."


def test_the_page_names_every_code_of_an_error() -> None:
    table = PAGE[PAGE.index("| Code | Status |") :]
    assert [code for code in KINDS if f"`{code}`" not in table] == []
