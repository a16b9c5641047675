"""Artifacts by Maven, each with its pinned SHA-256."""

import hashlib
import html
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from scripts.opensearch.releases import Artifact
from scripts.opensearch.trouble import Missing, Trouble


def fetch(artifacts: Iterable[Artifact], cache: Path, say: Callable[[str], None]) -> None:
    """See that all lie in the cache, whole. Raises `Trouble`."""
    missing = [artifact for artifact in artifacts if not _whole(cache / artifact.file, artifact)]
    if not missing:
        return
    mvn = shutil.which("mvn")
    if mvn is None:
        raise Missing("There is no Maven here (mvn), which fetches OpenSearch. Debian: apt-get install maven")
    say(f"Fetching {len(missing)} files by Maven")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:  # beside the cache: what is whole is moved in
        into = Path(folder)
        (into / "pom.xml").write_text(_pom(missing, into / "files"), "utf-8")
        done = subprocess.run(
            [mvn, "-q", "-B", "-f", into / "pom.xml", "dependency:copy"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise Trouble(
                "Maven could not fetch OpenSearch; it says:\n"
                + "\n".join(done.stdout.strip().splitlines()[:12])
                + "\nIts own settings (~/.m2/settings.xml) say where it looks, and through which proxy."
            )
        for artifact in missing:
            file = into / "files" / artifact.file
            if not _whole(file, artifact):
                raise Trouble(
                    f"{artifact.file} is not the file that is pinned: its SHA-256 is {_sha256(file)} instead "
                    f"of {artifact.sha256}. It was thrown away."
                )
            file.replace(cache / artifact.file)


def _whole(file: Path, artifact: Artifact) -> bool:
    return file.is_file() and _sha256(file) == artifact.sha256


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _pom(artifacts: Iterable[Artifact], into: Path) -> str:
    """A project that does nothing but copy these: one run of Maven for all."""
    items = "".join(
        f"<artifactItem><groupId>{group}</groupId><artifactId>{name}</artifactId>"
        f"<version>{version}</version><type>{kind}</type></artifactItem>\n"
        for group, name, version, kind in (artifact.coordinates.split(":") for artifact in artifacts)
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion>\n"
        "<groupId>sieve</groupId><artifactId>opensearch</artifactId><version>1</version>"
        "<packaging>pom</packaging>\n<build><plugins><plugin>\n"
        "<groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId>\n"
        f"<configuration><outputDirectory>{html.escape(str(into))}</outputDirectory>\n<artifactItems>\n{items}</artifactItems>"
        "</configuration>\n</plugin></plugins></build></project>\n"
    )
