"""What one parse may use."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each file has these for itself, but for memory, which is the child's."""

    seconds: float = 60.0
    """Time on the wall, kept by the parent."""
    cpu_seconds: int = 60
    """Time on the processor, kept by the kernel."""
    memory_bytes: int = 1024 * 2**20
    """Address space of the child, its libraries included (about 120 MiB)."""
    input_bytes: int = 256 * 2**20
    characters: int = 10_000_000
    """Text of one document."""
    open_files: int = 32
    files_per_child: int = 500
    """After so many files a child is replaced: what a library leaked goes with it."""

    @property
    def answer_bytes(self) -> int:
        """Longest answer that the parent reads: four bytes a character, headings and pages besides."""
        return 6 * self.characters + 2**20
