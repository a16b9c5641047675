"""The whole schema against a live server: every check of schemathesis, no exclusion."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User

from search_app import keys
from search_app.models import Collection
from tests.search_app.conftest import KEPT_ORDER, LIGHT

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_no_check_fails(
    live_server: object, ingest: Callable[..., object], folder: Path, tmp_path: Path, settings: object
) -> None:
    settings.API_RATE_KEY = settings.API_RATE_USER = settings.API_RATE_ANONYMOUS = "1000000/minute"
    (settings.SPEC_DIR / "light.toml").write_text(LIGHT + KEPT_ORDER)
    ingest(folder)
    Collection.objects.create(name="other", public=False)
    Group.objects.create(name="Support")
    staff = User.objects.create_user("staff", is_staff=True)
    _, key = keys.make(staff, "schemathesis", keys.SCOPES)
    command = [
        *(
            str(Path(sys.executable).with_name("schemathesis")),
            "--config-file",
            str(CONFIG),
            "run",
            f"{live_server}/api/schema/",
        ),
        *("--header", f"Authorization: Bearer {key}", "--checks", "all", "--max-examples", "15"),
        *("--seed", "1", "--generation-database", "none", "--continue-on-failure", "--no-color"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-4000:]
