import os
import subprocess
import sys
from pathlib import Path

import pytest

from search_app import checks

ROOT = Path(__file__).resolve().parent.parent.parent


def ids() -> list[str]:
    return [message.id for message in checks.check()]


def manage(*arguments: str, data: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SIEVE_", "DATABASE_URL"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=clean | {"SIEVE_DATA_DIR": str(data)} | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("https", ["", "1"])
def test_the_deployment_check_is_clean(tmp_path: Path, https: str) -> None:
    done = manage("manage.py", "check", "--deploy", "--fail-level", "INFO", data=tmp_path, SIEVE_HTTPS=https)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout + done.stderr


def test_the_defaults_are_in_order() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("bind", "local"),
    [
        ("127.0.0.1:8000", True),
        ("127.1.2.3:80", True),
        ("localhost:8000", True),
        ("[::1]:8000", True),
        ("unix:/run/sieve.sock", True),
        ("0.0.0.0:8000", False),
        ("[::]:8000", False),
        (":8000", False),
        ("192.0.2.7:8000", False),
        ("search.example.org:80", False),
    ],
)
def test_an_open_door_without_https_is_said(bind: str, local: bool, settings: object) -> None:
    settings.BIND = bind
    assert ids() == ([] if local else ["sieve.W001"])
    settings.HTTPS = True
    assert ids() == []


def test_debugging_for_everybody_is_an_error(settings: object) -> None:
    settings.BIND, settings.DEBUG, settings.BEHIND_PROXY = "0.0.0.0:80", True, True
    assert ids() == ["sieve.E004"]


def test_specs_must_load_and_fit_into_a_request(settings: object, tmp_path: Path) -> None:
    text = (settings.SPEC_DIR / "default.toml").read_text()
    settings.SPEC_DIR = tmp_path
    assert ids() == ["sieve.W003"]
    (tmp_path / "default.toml").write_text(text)
    assert ids() == []
    (tmp_path / "slow.toml").write_text(text.replace("budget_ms = 3000", "budget_ms = 120000"))
    (tmp_path / "wrong.toml").write_text(text.replace("depth = 16", "depths = 16"))
    assert ids() == ["sieve.E002", "sieve.E001"]


def test_limits_stand_in_their_order(settings: object) -> None:
    settings.INGEST_LEASE_SECONDS = 2 * settings.INGEST_GROUP_SECONDS
    settings.TRACE_DAYS = -1
    assert ids() == ["sieve.W002", "sieve.E003"]


def test_the_server_does_not_start_with_an_error(tmp_path: Path) -> None:
    done = manage("-c", "import search_app.wsgi", data=tmp_path, SIEVE_TRACE_DAYS="-1")
    assert done.returncode == checks.BOOT_FAILED
    assert done.stderr.startswith("SIEVE_TRACE_DAYS is '-1'. It must be a number of at least 0")
    said = manage("-c", "import search_app.wsgi", data=tmp_path, SIEVE_BIND="0.0.0.0:8000")
    assert said.returncode == 0
    assert said.stderr.startswith("sieve.W001")


# --- A cluster ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"OPENSEARCH_URLS": []}, []),
        ({"OPENSEARCH_URLS": [], "OPENSEARCH_USER": "sieve"}, ["sieve.W011"]),
        ({"OPENSEARCH_URLS": ["host:9200"]}, ["sieve.E012"]),
        ({"OPENSEARCH_URLS": ["https://u:p@host:9200"]}, ["sieve.E012"]),
        ({"OPENSEARCH_URLS": ["https://host:9200/path"]}, ["sieve.E012"]),
        ({"OPENSEARCH_URLS": ["https://host:many"]}, ["sieve.E012"]),
        ({"OPENSEARCH_URLS": ["https://a:9200", "https://b:9200"]}, []),
        ({"OPENSEARCH_USER": "sieve"}, ["sieve.E015"]),
        ({"OPENSEARCH_USER": "sieve", "OPENSEARCH_PASSWORD": "p"}, []),
        (
            {"OPENSEARCH_URLS": ["http://h:1"], "OPENSEARCH_USER": "sieve", "OPENSEARCH_PASSWORD": "p"},
            ["sieve.W012"],
        ),
        ({"OPENSEARCH_URLS": ["http://h:1"]}, []),
        ({"OPENSEARCH_PREFIX": "Sieve"}, ["sieve.E014"]),
        ({"OPENSEARCH_PREFIX": "*"}, ["sieve.E014"]),
        ({"OPENSEARCH_ENGINE": "nmslib"}, ["sieve.E013"]),
        ({"OPENSEARCH_COMPRESSION": "8x"}, ["sieve.E013"]),
        ({"OPENSEARCH_COMPRESSION": "8x", "OPENSEARCH_ENGINE": "faiss"}, []),
        ({"OPENSEARCH_COMPRESSION": "4x"}, []),
        ({"OPENSEARCH_CA": Path("/no/such/file")}, ["sieve.E016"]),
    ],
)
def test_settings_of_a_cluster_that_cannot_work_are_said(
    changed: dict[str, object], found: list[str], settings: object
) -> None:
    settings.OPENSEARCH_URLS = ["https://host:9200"]
    for name, value in changed.items():
        setattr(settings, name, value)
    assert ids() == found
    assert not any("u:p" in message.msg for message in checks.check())


def test_only_the_deployment_check_asks_the_cluster(tmp_path: Path) -> None:
    away = {"SIEVE_OPENSEARCH": "http://127.0.0.1:9", "SIEVE_HTTPS": "1"}
    started = manage("-c", "import search_app.wsgi", data=tmp_path, **away)
    assert (started.returncode, started.stderr) == (0, "")
    checked = manage("manage.py", "check", data=tmp_path, **away)
    assert "no issues" in checked.stdout + checked.stderr
    asked = manage("manage.py", "check", "--deploy", data=tmp_path, **away)
    assert "sieve.W013" in asked.stderr
    assert "The search cluster cannot be reached." in asked.stderr
