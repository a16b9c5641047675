"""Encode passages once for each text of a run, and know how long the encoder worked."""

import time
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from rag.codes import TokenCodes
from rag.encode.base import Encoder, Floats
from rag.index.base import EncodedPassages
from rag.ingest import encode_passages
from rag.types import Passage

REMEMBERED = 4096
"""Texts whose vector and token codes are kept, the latest used; about 10 kB each."""


class RememberingEncoder:
    """Gives a passage whose `search_text` was encoded before the same vector and codes again.

    A company keeps one text in several formats and folders: the encoder, which takes nearly all the
    time of an ingest, then works once.
    """

    def __init__(self, encoder: Encoder, remembered: int = REMEMBERED) -> None:
        self._encoder = encoder
        self._remembered = remembered
        self._known: OrderedDict[str, tuple[Floats, TokenCodes]] = OrderedDict()
        self.seconds = 0.0
        self.encoded = 0

    def encode(self, documents: Sequence[Sequence[Passage]]) -> list[EncodedPassages]:
        """The passages of some documents, none of them without, in the order given.

        Together, because a document with one or two passages does not keep all cores busy.
        """
        passages = [p for document in documents for p in document]
        new = list({p.search_text: p for p in passages if p.search_text not in self._known}.values())
        began = time.monotonic()
        vectors, codes = encode_passages(new, self._encoder)
        self.seconds += time.monotonic() - began
        self.encoded += len(new)
        fresh = {p.search_text: (vectors[i], codes[i]) for i, p in enumerate(new)}
        found = {p.id: fresh.get(p.search_text) or self._known[p.search_text] for p in passages}
        for passage in passages:
            self._known[passage.search_text] = found[passage.id]
            self._known.move_to_end(passage.search_text)
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return [
            EncodedPassages(
                document[0].document_id,
                document[0].version,
                tuple(document),
                np.stack([found[p.id][0] for p in document]),
                tuple(found[p.id][1] for p in document),
            )
            for document in documents
        ]
