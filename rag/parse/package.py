"""Zip containers (Office, OpenDocument, EPUB) read with limits on what they may expand to."""

import io
import struct
import zipfile
import zlib
from posixpath import join, normpath

from lxml import etree

from rag.errors import ParseError

MAX_MEMBERS = 10_000
MAX_MEMBER_BYTES = 128 * 2**20
MAX_TOTAL_BYTES = 256 * 2**20
MAX_RATIO = 200
"""Expanded to compressed; Office XML seldom passes 50. Only looked at above 16 MiB."""
_RATIO_FROM = 16 * 2**20
BAD_ZIP = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, OverflowError
)  # fmt: skip
"""What `zipfile` raises on damaged containers."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = "The file is protected by a password. Save a copy without the password and upload that."


class Package:
    """One zip container, its members read whole, by name, never written anywhere."""

    def __init__(self, data: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except BAD_ZIP as error:
            raise ParseError("The file is damaged: its zip container cannot be opened.") from error
        if len(self._zip.filelist) > MAX_MEMBERS:
            raise ParseError(f"The file holds more than {MAX_MEMBERS:,} parts.")
        self.names = [info.filename for info in self._zip.filelist]
        # Some writers use backslashes or another case; Office opens such files.
        self._by_key = {_key(name): name for name in reversed(self.names)}
        self._left = MAX_TOTAL_BYTES

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._by_key

    def read(self, name: str) -> bytes:
        """One member's bytes. Raises `ParseError` when it is absent, damaged, encrypted or too large."""
        if name not in self:
            raise ParseError(f"The file is damaged: its part {name[:100]!r} is missing.")
        info = self._zip.getinfo(self._by_key[_key(name)])
        data = read_member(self._zip, info, limit=min(MAX_MEMBER_BYTES, self._left))
        self._left -= len(data)
        return data

    def xml(self, name: str) -> etree._Element:
        """Root element of an XML member."""
        return parse_xml(self.read(name), part=name)


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, *, limit: int) -> bytes:
    """At most `limit` bytes; what the directory claims is not believed."""
    if info.flag_bits & 0x1:
        raise ParseError(ENCRYPTED)
    if info.compress_type not in _METHODS:
        # LZMA streams may claim gigabytes for their dictionary before the first byte comes out.
        raise ParseError(f"Its part {info.filename[:100]!r} is packed by a method that is not read.")
    try:
        with archive.open(info) as stream:
            data = stream.read(limit + 1)
    except BAD_ZIP as error:
        raise ParseError(f"The file is damaged: its part {info.filename[:100]!r} cannot be read.") from error
    too_dense = len(data) > _RATIO_FROM and len(data) > MAX_RATIO * max(1, info.compress_size)
    if len(data) > limit or too_dense:
        raise ParseError("The file is too large when expanded.")
    return data


def parse_xml(data: bytes, *, part: str = "", recover: bool = False) -> etree._Element:
    """Root element. Entities are not expanded, nothing is fetched, depth and sizes are bounded."""
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        recover=recover,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        where = f" in its part {part[:100]!r}" if part else ""
        raise ParseError(f"The file is damaged: its XML{where} is not well formed ({error.msg}).") from error
    if root is None:
        raise ParseError("The file is damaged: it holds no XML element.")
    return root


def relations(package: Package, part: str) -> dict[str, tuple[str, str]]:
    """Relationships of an Office part: id to (last word of the type, name of the target part)."""
    folder, _, file = part.rpartition("/")
    name = f"{folder}/_rels/{file}.rels" if folder else f"_rels/{file}.rels"
    if name not in package:
        return {}
    found = {}
    for relation in package.xml(name):
        if not isinstance(relation.tag, str) or relation.get("TargetMode") == "External":
            continue
        target = relation.get("Target", "")
        target = target.lstrip("/") if target.startswith("/") else normpath(join(folder, target))
        found[relation.get("Id", "")] = (relation.get("Type", "").rpartition("/")[2], target)
    return found


def main_part(package: Package, fallback: str) -> str:
    """The part that the package's root relationships call the document."""
    for kind, target in relations(package, "").values():
        if kind == "officeDocument" and target in package:
            return target
    return fallback


def core_properties(package: Package) -> tuple[str, dict[str, str]]:
    """(title, metadata) from docProps/core.xml; empty when it is absent or damaged."""
    fields = {"creator": "author", "subject": "subject", "created": "created", "modified": "modified"}
    title, found = "", {}
    if "docProps/core.xml" in package:
        try:
            root = package.xml("docProps/core.xml")
        except ParseError:
            # Properties are an extra: a document with damaged ones is still worth reading.
            return "", {}
        for element in root:
            if isinstance(element.tag, str) and element.text:
                local = etree.QName(element).localname
                if local == "title":
                    title = element.text
                elif local in fields:
                    found[fields[local]] = element.text
    return title, found


def local(element: etree._Element) -> str:
    """Tag without its namespace; transitional and strict documents differ only there."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def text_of(element: etree._Element, separator: str = "") -> str:
    """All text under the element, in order."""
    return separator.join(str(text) for text in element.itertext())


def attribute(element: etree._Element, name: str) -> str | None:
    """Attribute by its local name."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return None


def _key(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").casefold()
