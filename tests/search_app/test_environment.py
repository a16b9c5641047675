"""Values from the environment: what is wrong is said in a sentence, and ends the process."""

from pathlib import Path

import pytest

from search_app import environment
from tests.search_app.test_settings import show


@pytest.mark.parametrize(
    ("said", "value"), [("", 3.0), (" ", 3.0), ("2", 2.0), ("0.5", 0.5), (" 1e1 ", 10.0)]
)
def test_a_number_is_read(monkeypatch: pytest.MonkeyPatch, said: str, value: float) -> None:
    monkeypatch.setenv("SIEVE_X", said)
    assert environment.number("SIEVE_X", 3) == value
    monkeypatch.delenv("SIEVE_X")
    assert environment.number("SIEVE_X", 3) == 3.0


@pytest.mark.parametrize("said", ["three", "nan", "inf", "-1", "1,5", "0x10"])
def test_what_is_no_number_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str
) -> None:
    monkeypatch.setenv("SIEVE_X", said)
    with pytest.raises(SystemExit) as ended:
        environment.number("SIEVE_X", 3)
    assert ended.value.code == environment.BOOT_FAILED
    expected = f"SIEVE_X is {said!r}. It must be a number of at least 0, such as 3.\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize("said", ["1.5", "0", "many"])
def test_what_is_no_whole_number_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str
) -> None:
    monkeypatch.setenv("SIEVE_X", said)
    with pytest.raises(SystemExit):
        environment.whole("SIEVE_X", 4, least=1)
    assert capsys.readouterr().err.startswith(f"SIEVE_X is {said!r}. It must be a ")
    monkeypatch.setenv("SIEVE_X", "5")
    assert environment.whole("SIEVE_X", 4, least=1) == 5


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("pass word\n")
    monkeypatch.setenv("SIEVE_X", "said")
    assert environment.secret("SIEVE_X") == "said"
    monkeypatch.setenv("SIEVE_X", "")
    monkeypatch.setenv("SIEVE_X_FILE", str(file))
    assert environment.secret("SIEVE_X") == "pass word"
    monkeypatch.delenv("SIEVE_X")
    assert environment.secret("SIEVE_X") == "pass word"


@pytest.mark.parametrize(
    ("value", "content", "said"),
    [
        ("x", "y", "SIEVE_X and SIEVE_X_FILE are both set. Keep one of them.\n"),
        ("", None, "which cannot be read: No such file or directory.\n"),
        ("", "\n", "which is empty.\n"),
    ],
)
def test_a_secret_that_cannot_be_had_is_said_and_not_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    value: str,
    content: str | None,
    said: str,
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SIEVE_X", value)
    monkeypatch.setenv("SIEVE_X_FILE", str(file))
    with pytest.raises(SystemExit):
        environment.secret("SIEVE_X")
    assert capsys.readouterr().err.endswith(said)


def test_the_settings_read_secrets_from_files_and_a_place_for_contents(tmp_path: Path) -> None:
    given = {}
    for name, value in {
        "SIEVE_SECRET_KEY": "k" * 60,
        "SIEVE_OPENSEARCH_PASSWORD": "o",
        "SIEVE_QUEUE": "redis://:q@host:6379/0",
        "DATABASE_URL": "postgres://u:p@host/db",
    }.items():
        (tmp_path / name).write_text(value + "\n")
        given[f"{name}_FILE"] = str(tmp_path / name)
    given |= {"SIEVE_CONTENT_DIR": str(tmp_path / "shared")}
    names = "s.SECRET_KEY[:2], s.OPENSEARCH_PASSWORD, s.QUEUE_URL, s.DATABASES['default']['PASSWORD']"
    shown = show(f"{names}, str(s.CONTENT_DIR)", tmp_path / "data", **given)
    assert shown == f"kk o redis://:q@host:6379/0 p {tmp_path / 'shared'}"
