import os
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHOW = "from search_app import settings as s; print({})"


def show(expression: str, data: Path, **environment: str) -> str:
    command = [sys.executable, "-c", SHOW.format(expression)]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SIEVE_", "DATABASE_URL"))}
    env = clean | {"SIEVE_DATA_DIR": str(data)} | environment
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_secret_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    first = show("s.SECRET_KEY", data)
    assert len(first) > 50
    assert show("s.SECRET_KEY", data) == first
    assert stat.S_IMODE((data / "secret-key").stat().st_mode) == 0o600
    assert {path.name for path in data.iterdir()} == {"incoming", "secret-key"}
    assert show("s.SECRET_KEY", data, SIEVE_SECRET_KEY="given") == "given"


def test_defaults_are_closed(tmp_path: Path) -> None:
    shown = show("s.DEBUG, s.ALLOWED_HOSTS, s.SESSION_COOKIE_SECURE, s.SECURE_HSTS_SECONDS", tmp_path)
    assert shown == "False ['localhost', '127.0.0.1', '[::1]'] False 0"
    secure = "s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_HSTS_SECONDS > 0"
    assert show(secure, tmp_path, SIEVE_HTTPS="1") == "True True True"


def test_sqlite_waits_and_postgresql_is_chosen_by_address(tmp_path: Path) -> None:
    options = show("s.DATABASES['default']['OPTIONS']", tmp_path)
    assert "'IMMEDIATE'" in options
    assert "journal_mode=WAL" in options
    engine = "s.DATABASES['default']['ENGINE'], s.DATABASES['default'].get('OPTIONS')"
    shown = show(engine, tmp_path, DATABASE_URL="postgres://u:p@host/db")
    assert shown == "django.db.backends.postgresql None"


def test_models_lie_in_the_data_folder_unless_said_otherwise(tmp_path: Path) -> None:
    assert show("s.MODEL_DIR", tmp_path) == str(tmp_path / "models")
    assert show("s.MODEL_DIR", tmp_path, SIEVE_MODEL_DIR="/elsewhere") == "/elsewhere"
