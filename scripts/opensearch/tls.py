"""Keys and certificates of one cluster: an authority of its own, a node, and an administrator."""

import shutil
import subprocess
from pathlib import Path

from scripts.opensearch.trouble import Missing, Trouble

NODE = "CN=node.sieve,O=Sieve"
ADMIN = "CN=admin.sieve,O=Sieve"
"""Distinguished names as the security plugin is told them."""
DAYS = 800
_LEAF = """
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
_CONFIG = f"""
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[admin]{_LEAF}
[node]{_LEAF}
subjectAltName = DNS:localhost, IP:127.0.0.1
"""


def make(folder: Path) -> None:
    """See that `ca.pem`, `node.pem`, `admin.pem` and the keys beside them are there, and valid for a week."""
    if _good(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "openssl.cnf").write_text(_CONFIG, "utf-8")
    for name in ("ca", "node", "admin"):
        curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        _openssl(folder, "genpkey", *curve, "-out", f"{name}.key")  # PKCS#8, as the plugin wants it
        (folder / f"{name}.key").chmod(0o600)
        asked = ("-config", "openssl.cnf", "-key", f"{name}.key", "-subj", f"/O=Sieve/CN={name}.sieve")
        valid = ("-days", str(DAYS))
        if name == "ca":
            _openssl(folder, "req", "-x509", "-new", *asked, *valid, "-extensions", name, "-out", "ca.pem")
            continue
        _openssl(folder, "req", "-new", *asked, "-out", f"{name}.csr")
        _openssl(
            *(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *(
                "-CAcreateserial",
                *valid,
                "-extfile",
                "openssl.cnf",
                "-extensions",
                name,
                "-out",
                f"{name}.pem",
            ),
        )


def _good(folder: Path) -> bool:
    files = [folder / f"{name}.{kind}" for name in ("ca", "node", "admin") for kind in ("pem", "key")]
    if not all(file.exists() for file in files):
        return False
    week = str(7 * 24 * 3600)
    return _run(folder, "x509", "-checkend", week, "-noout", "-in", "admin.pem").returncode == 0


def _openssl(folder: Path, *arguments: str) -> None:
    done = _run(folder, *arguments)
    if done.returncode:
        raise Trouble(f"openssl {arguments[0]} failed:\n{done.stderr.strip()}")


def _run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Missing("There is no openssl here, which makes the keys. Debian: apt-get install openssl")
    return subprocess.run(
        [openssl, *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
