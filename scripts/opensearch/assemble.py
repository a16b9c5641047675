"""A server's folder from its artifacts, and its configuration."""

import hashlib
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.opensearch import tls
from scripts.opensearch.releases import Module, Release
from scripts.opensearch.trouble import Trouble

SECURITY = Path(__file__).parent / "security"
STAMP = "assembled"
HEAP = "1g"


def stamp(release: Release) -> str:
    """Changes when a server must be put together anew."""
    made_of = repr(release) + Path(__file__).read_text("utf-8")
    return hashlib.sha256(made_of.encode()).hexdigest()


def assembled(release: Release, home: Path) -> bool:
    """Whether the server is there, put together as it would be now."""
    mark = home / STAMP
    return mark.is_file() and mark.read_text("utf-8") == stamp(release)


def assemble(release: Release, cache: Path, home: Path, java: Path, say: Callable[[str], None]) -> None:
    """Put the server together in `home`, unless it is there; whole or not at all."""
    if assembled(release, home):
        return
    say(f"Putting OpenSearch {release.version} together")
    making = home.with_name(home.name + ".making")
    for old in (making, home):
        shutil.rmtree(old, ignore_errors=True)
    making.mkdir(parents=True)
    with zipfile.ZipFile(cache / release.base.file) as archive:
        archive.extractall(making)
    (top,) = making.iterdir()
    for file in (top / "bin").iterdir():
        file.chmod(0o755)  # which zipfile does not keep
    (top / "plugins").mkdir(exist_ok=True)
    for module in release.modules:
        _module(module, release, cache, top / "modules" / module.name)
    _install([cache / plugin.file for plugin in release.plugins], top, java)
    (top / STAMP).write_text(stamp(release), "utf-8")
    top.rename(home)
    making.rmdir()


def _module(module: Module, release: Release, cache: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for jar in module.jars:
        shutil.copyfile(cache / jar.file, folder / jar.file)
    (folder / "plugin-descriptor.properties").write_text(
        f"description={module.name}\n"
        f"version={release.version}\n"
        f"name={module.name}\n"
        f"classname={module.classname}\n"
        f"java.version={release.java[0]}\n"
        f"opensearch.version={release.version}\n"
        "custom.foldername=\n"
        f"extended.plugins={module.extends}\n"
        "has.native.controller=false\n",
        "utf-8",
    )
    if module.permissions:
        lines = [f'  permission java.lang.RuntimePermission "{name}";' for name in module.permissions]
        (folder / "plugin-security.policy").write_text("\n".join(["grant {", *lines, "};", ""]), "utf-8")


def _install(plugins: list[Path], home: Path, java: Path) -> None:
    """By OpenSearch's own command, which checks them."""
    install = [home / "bin" / "opensearch-plugin", "install", "-b", *(plugin.as_uri() for plugin in plugins)]
    ran(install, java, "A plugin could not be installed")


def ran(command: Sequence[str | Path], java: Path, otherwise: str) -> None:
    """Run one of OpenSearch's own commands to its end. Raises `Trouble` with what it said where it failed."""
    done = subprocess.run(
        command,
        env=environment(java, heap="64m"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise Trouble(f"{otherwise}:\n{done.stdout.strip()}")


def environment(java: Path, heap: str = HEAP) -> dict[str, str]:
    """What its commands and the server itself run with."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    options = f"-Xms{heap} -Xmx{heap}"
    return kept | {"OPENSEARCH_JAVA_HOME": str(java), "JAVA_HOME": str(java), "OPENSEARCH_JAVA_OPTS": options}


def configure(release: Release, folder: Path, http: int, transport: int) -> None:
    """Write `opensearch.yml`; with users, their keys and the files of the security plugin, too."""
    config = folder / "server" / "config"
    lines = {
        "cluster.name": f"sieve-{release.version}",
        "node.name": "sieve",
        "network.host": "127.0.0.1",
        "http.port": http,
        "transport.port": transport,
        "discovery.type": "single-node",
        "path.data": _quoted(folder / "data"),
        "path.logs": _quoted(folder / "logs"),
        # A disk that is nearly full is somebody else's matter here, no reason to refuse writes.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    if release.secured:
        tls.make(folder / "tls")
        keys = config / "tls"
        keys.mkdir(exist_ok=True)
        for name in ("ca.pem", "node.pem", "node.key"):  # it reads no key outside its own folder
            shutil.copy(folder / "tls" / name, keys / name)
        for layer in ("transport", "http"):
            lines |= {
                f"plugins.security.ssl.{layer}.pemcert_filepath": "tls/node.pem",
                f"plugins.security.ssl.{layer}.pemkey_filepath": "tls/node.key",
                f"plugins.security.ssl.{layer}.pemtrustedcas_filepath": "tls/ca.pem",
            }
        lines |= {
            "plugins.security.ssl.transport.enforce_hostname_verification": "false",
            "plugins.security.ssl.http.enabled": "true",
            "plugins.security.allow_default_init_securityindex": "true",
            "plugins.security.nodes_dn": f'["{tls.NODE}"]',
            "plugins.security.authcz.admin_dn": f'["{tls.ADMIN}"]',
        }
        for file in SECURITY.glob("*.yml"):
            shutil.copyfile(file, config / "opensearch-security" / file.name)
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    (config / "opensearch.yml").write_text(text, "utf-8")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
