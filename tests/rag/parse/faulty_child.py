"""A parsing child whose parser does what the file's name says: the scripted faults of the sandbox's tests."""

import ctypes
import os
import sys
import time

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.child import main


def fault(data: bytes, name: str) -> ParsedDocument:
    match name:
        case "loop":
            while True:
                pass
        case "sleep":
            time.sleep(600)
        case "allocate":
            held = []
            while True:
                held.append(bytes(64 * 2**20))
        case "crash":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "close":
            os.closerange(3, 64)
            time.sleep(600)
        case "flood":
            return ParsedDocument(title="t", text="x" * 5_000_000)
        case "nonsense":
            for number in range(3, 64):
                try:
                    os.write(number, b"\x08\0\0\0\0\0\0\0nonsense")
                except OSError:
                    continue
        case "endless":
            for number in range(3, 64):
                try:
                    os.write(number, b"\xff" * 8 + b"x" * 2**16)
                except OSError:
                    continue
        case "print":
            print("x" * 100_000, flush=True)
            os.write(1, b"y" * 100_000)
            os.write(2, b"z" * 100_000)
        case "write":
            try:
                with open(data.decode(), "wb") as file:
                    file.write(b"x" * 100_000)
            except OSError as error:
                raise ParseError(f"No writing: {type(error).__name__}.") from error
        case "open":
            held = [os.open(os.devnull, os.O_RDONLY) for _ in range(200)]
        case "environment":
            return ParsedDocument(title="t", text=" ".join(sorted(os.environ)))
        case "recurse":
            return fault(data, name)
    return ParsedDocument(title=name, text=f"{os.getpid()} {len(data)} {'torch' in sys.modules}")


if __name__ == "__main__":
    main(fault)
