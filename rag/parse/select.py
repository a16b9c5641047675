"""Which parser reads a file: its suffix proposes, its first bytes decide."""

from importlib import import_module
from pathlib import PurePosixPath
from typing import cast

from rag.errors import ParseError
from rag.parse.base import ParsedDocument, Parser

_MODULES = {
    ".txt": "text", ".text": "text", ".log": "text",
    ".md": "markdown", ".markdown": "markdown", ".mdown": "markdown",
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx", ".docm": "docx", ".dotx": "docx",
    ".pptx": "pptx", ".pptm": "pptx", ".ppsx": "pptx",
    ".xlsx": "xlsx", ".xlsm": "xlsx",
    ".csv": "table", ".tsv": "table",
    ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".xml": "xml",
    ".eml": "eml",
    ".msg": "msg",
    ".epub": "epub",
    ".rtf": "rtf",
    ".odt": "odf", ".odp": "odf", ".ods": "odf",
}  # fmt: skip
SUPPORTED = tuple(_MODULES)
_OLD = {".doc": "DOCX", ".dot": "DOCX", ".xls": "XLSX", ".ppt": "PPTX", ".pps": "PPTX"}
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ZIPPED = frozenset(("docx", "pptx", "xlsx", "odf", "epub"))
_BINARY = frozenset(("pdf", "msg", *_ZIPPED))


def parse(data: bytes, name: str) -> ParsedDocument:
    """Read one file with the parser that fits it. Raises `ParseError` with a plain reason, and nothing else.

    Runs hostile input through large readers: call it through `rag.parse.sandbox`.
    """
    module = choose(data, name)
    try:
        return parser(module).parse(data, name)
    except ParseError:
        raise
    except RecursionError as error:
        raise ParseError("The file is nested too deeply to be read.") from error
    except MemoryError as error:
        raise ParseError("Reading the file needs more memory than is allowed.") from error
    except Exception as error:
        # What a reader raises on damaged input cannot be listed; its kind is for whoever mends the reader.
        kind = PurePosixPath(name).suffix.lstrip(".").upper()
        raise ParseError(
            f"The file is damaged, or is not what its name says: it cannot be read as {kind}"
            f" ({type(error).__name__})."
        ) from error


def parser(module: str) -> Parser:
    return cast(Parser, import_module(f"rag.parse.{module}"))


def choose(data: bytes, name: str) -> str:
    """Name of the module that reads this file. Raises `ParseError` when none does."""
    suffix = PurePosixPath(name).suffix.lower()
    if not data.strip(b"\0 \r\n\t"):
        raise ParseError("The file is empty.")
    if suffix in _OLD or (suffix not in _MODULES):
        raise ParseError(refusal(suffix))
    module = _MODULES[suffix]
    if data.startswith(_OLE):
        return module if module == "msg" else _ole(data, suffix)
    if data.startswith(b"{\\rtf"):
        return "rtf"
    if data.startswith(b"%PDF-"):
        return "pdf"
    if data.startswith(b"PK\x03\x04") and module in _ZIPPED:
        return module
    if module in _ZIPPED:
        if data[:512].lstrip().lower().startswith((b"<html", b"<!doctype html")):
            return "html"
        raise ParseError(f"The file is not {_article(suffix)} file, or its beginning is damaged.")
    if module == "msg":
        raise ParseError("The file is not a MSG file, or its beginning is damaged.")
    if module not in _BINARY and data.startswith(b"PK\x03\x04"):
        raise ParseError(f"The file is a zip container, not {_article(suffix)} file.")
    return module


def refusal(suffix: str) -> str:
    """The sentence for a file that no parser reads."""
    if suffix in _OLD:
        return f"Old binary {suffix} files are not read. Save the file as {_OLD[suffix]} and upload that."
    what = f"{suffix} files are" if suffix else "Files without a suffix are"
    known = ", ".join(each.lstrip(".") for each in (*SUPPORTED, ".zip"))
    return f"{what} not read. Supported are: {known}."


def _ole(data: bytes, suffix: str) -> str:
    """Office files with a password are OLE containers around the encrypted zip."""
    from rag.parse.package import ENCRYPTED

    if "EncryptedPackage".encode("utf-16-le") in data or "EncryptionInfo".encode("utf-16-le") in data:
        raise ParseError(ENCRYPTED)
    raise ParseError(
        f"The file is in an old binary Office format, though its name ends in {suffix}."
        " Open it in an office program, save it in the current format and upload that."
    )


def _article(suffix: str) -> str:
    word = suffix.lstrip(".").upper()
    return f"{'an' if word[0] in 'AEFHILMNORSX' else 'a'} {word}"
