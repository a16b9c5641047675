"""The two users of a cluster with users: an administrator, and Sieve with the role that it needs."""

import hashlib
import json
import os
import secrets
import subprocess
from pathlib import Path

from scripts.opensearch.assemble import SECURITY, environment, ran
from scripts.opensearch.trouble import Trouble

_USERS = """_meta:
  type: "internalusers"
  config_version: 2
admin:
  hash: "{admin}"
  reserved: true
  backend_roles: ["admin"]
sieve:
  hash: "{sieve}"
"""


def passwords(folder: Path) -> dict[str, str]:
    """User to password, made once; only the user who made them may read them."""
    file = folder / "passwords.json"
    if not file.exists():
        made = {user: secrets.token_urlsafe(18) for user in ("admin", "sieve")}
        with open(
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as opened:
            json.dump(made, opened)
    found: dict[str, str] = json.loads(file.read_text("utf-8"))
    return found


def write(folder: Path, java: Path) -> None:
    """Write `internal_users.yml`, with the hashes of the passwords."""
    file = folder / "server" / "config" / "opensearch-security" / "internal_users.yml"
    hashes = {user: _hash(folder / "server", java, password) for user, password in passwords(folder).items()}
    file.write_text(_USERS.format(**hashes), "utf-8")


def _hash(home: Path, java: Path, password: str) -> str:
    tool = home / "plugins" / "opensearch-security" / "tools" / "hash.sh"
    done = subprocess.run(
        ["bash", tool, "-env", "PASSWORD"],
        env=environment(java, heap="64m") | {"PASSWORD": password},
        capture_output=True,
        text=True,
    )
    hashed = done.stdout.strip().splitlines()[-1:] or [""]
    if done.returncode or not hashed[0].startswith("$2"):
        raise Trouble(f"A password could not be hashed:\n{done.stdout}{done.stderr}")
    return hashed[0]


def fingerprint() -> str:
    """Of the role and its mapping: another one is told to a cluster that has the one before."""
    files = sorted(SECURITY.glob("*.yml"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def tell(folder: Path, java: Path, port: int) -> None:
    """Give a running cluster the role and its mapping as the files have them now."""
    tool = folder / "server" / "plugins" / "opensearch-security" / "tools" / "securityadmin.sh"
    keys = folder / "tls"
    for kind, name in (("roles", "roles"), ("rolesmapping", "roles_mapping")):
        command = [
            *("bash", tool, "-f", SECURITY / f"{name}.yml", "-t", kind, "-icl", "-nhnv"),
            *("-h", "127.0.0.1", "-p", str(port)),
            *("-cacert", keys / "ca.pem", "-cert", keys / "admin.pem", "-key", keys / "admin.key"),
        ]
        ran(command, java, "The cluster could not be told its roles")
