"""Make or renew the one user of Sieve in the search cluster, with the role that scripts/opensearch/security
writes down. The administrator's certificate opens the door; the password is SIEVE_OPENSEARCH_PASSWORD.

Run at every start: a role or a password that has changed is put in its place. It is done when the user can
sign in: a cluster that starts for the first time writes its own (empty) lists of users over what came early.
"""

import base64
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "scripts" / "opensearch" / "security" / "roles.yml"
CERTIFICATES = Path("/certificates")
NAME = "sieve"
PATIENCE_S = 90.0


def settings(password: str) -> dict[str, dict[str, Any]]:
    """Path below the security API → what is put there."""
    role = yaml.safe_load(ROLES.read_text("utf-8"))[NAME]
    return {
        f"roles/{NAME}": role,
        f"internalusers/{NAME}": {"password": password},
        f"rolesmapping/{NAME}": {"users": [NAME]},
    }


def put(url: str, password: str, administrator: ssl.SSLContext) -> None:
    """Raises `OSError` where it was not taken, or not all of it."""
    for path, body in settings(password).items():
        request = urllib.request.Request(
            f"{url}/_plugins/_security/api/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, context=administrator, timeout=30).close()


def sign_in(url: str, password: str, anybody: ssl.SSLContext) -> None:
    """Raises `OSError` where the user is not let in."""
    words = base64.b64encode(f"{NAME}:{password}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {words}"})
    urllib.request.urlopen(request, context=anybody, timeout=30).close()


def reason(error: OSError, password: str) -> str:
    if isinstance(error, urllib.error.HTTPError):
        said = error.read(2000).decode("utf-8", "replace").replace(password, "…")
        return f"The search cluster answered {error.code}: {said}"
    return f"The search cluster cannot be reached: {error}"


def main() -> None:
    url, password = os.environ["SIEVE_OPENSEARCH"].rstrip("/"), os.environ["SIEVE_OPENSEARCH_PASSWORD"]
    anybody = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    administrator = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    administrator.load_cert_chain(CERTIFICATES / "admin.pem", CERTIFICATES / "admin.key")
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            put(url, password, administrator)
            time.sleep(1)  # changes are taken over a moment later, and an early one may yet be lost
            sign_in(url, password, anybody)
        except OSError as error:
            why = reason(error, password)
            refused = isinstance(error, urllib.error.HTTPError) and error.code == 400
            if refused or time.monotonic() > until:
                raise SystemExit(why) from None
            time.sleep(1)
        else:
            break
    print(f"The user {NAME} of the search cluster has its role and its password.")


if __name__ == "__main__":
    main()
