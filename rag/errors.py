"""What may go wrong, as a small tree.

An `...Unavailable` error licenses the caller to go on without the stage and to say so. Every other
exception is a bug and surfaces.
"""

from collections.abc import Mapping


class SieveError(Exception):
    """Base of all errors that carry a sentence for a person."""


class SpecError(SieveError):
    """A pipeline spec is wrong; the message names the key and what is allowed."""


class ParseError(SieveError):
    """A document cannot be read; the message is the reason shown to the person who uploaded it."""


class ModelError(SieveError):
    """A model's files are absent or are not the pinned ones; the message says how to get them."""


class IndexCorrupt(SieveError):
    """An index cannot be used as it is; the message says which command restores it."""


class IndexBusy(SieveError):
    """Another process holds the index's writer."""


class PassagesRefused(SieveError):
    """The index refused these documents as they are: trying again changes nothing.

    Every other document of the same call was written and can be found. Of the refused ones nothing is left
    under the version that was to be written.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        """`reasons`: document id to a sentence for the person who uploaded it, without its words."""
        self.reasons = dict(reasons)
        named = ", ".join(sorted(self.reasons))
        super().__init__(f"The index refused {len(self.reasons)} documents: {named}.")


class Unavailable(SieveError):
    """A stage cannot do its work now; the pipeline goes on without it and says so."""


class IndexUnavailable(Unavailable):
    """One or both retrieval legs cannot answer."""


class EncoderUnavailable(Unavailable):
    """No vector can be made for the query: lexical retrieval goes on alone."""


class RerankUnavailable(Unavailable):
    """No scores can be had: the order so far stays."""


class GenerationUnavailable(Unavailable):
    """No answer can be written: the passages stay."""
