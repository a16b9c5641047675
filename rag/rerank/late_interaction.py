"""Late interaction over token codes that were stored when the passages were encoded."""

import os
import time
from collections.abc import Callable, Sequence

from rag.codes import TokenCodes, maxsim
from rag.encode.base import Encoder, Floats
from rag.errors import EncoderUnavailable, RerankUnavailable
from rag.parallel import cores
from rag.types import Passage, Scores

TokenCodesOf = Callable[[Sequence[str]], tuple[TokenCodes | None, ...]]
"""Passage ids → stored codes, in the order given; `IndexReader.token_codes`."""


def build(encoder: Encoder, token_codes: TokenCodesOf) -> "LateInteraction":
    """The reranker over an index. `encoder` must be the one that made the codes."""
    return LateInteraction(encoder, token_codes)


class LateInteraction:
    """MaxSim, mean over the question's tokens. A passage whose codes are not there gets None."""

    def __init__(self, encoder: Encoder, token_codes: TokenCodesOf) -> None:
        self._encoder = encoder
        device = os.environ.get("SIEVE_TORCH_DEVICE", "")
        self._device = device if device.startswith("cuda") else ""
        self._token_codes = token_codes
        self.fingerprint = f"maxsim:{encoder.fingerprint}"

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        """All passages or none: two hundred take milliseconds, so the deadline is read once, before."""
        if time.monotonic() >= deadline:
            raise RerankUnavailable("There was no time left for late interaction.")
        began = time.monotonic()
        try:
            states = self._encoder.encode_queries([query]).states[0]
        except EncoderUnavailable as error:
            raise RerankUnavailable("Late interaction needs the encoder, which is not available.") from error
        codes = self._token_codes([passage.id for passage in passages])
        here = [code for code in codes if code is not None]
        if passages and not here:
            raise RerankUnavailable("The index holds no token codes of these passages.")
        if not len(states):
            raise RerankUnavailable("The question has no words to compare.")
        found = iter(self._maxsim(states, here).tolist())
        values = tuple(None if code is None else next(found) for code in codes)
        return Scores("maxsim", values, (time.monotonic() - began) * 1000)

    def _maxsim(self, states: Floats, codes: Sequence[TokenCodes]) -> Floats:
        if not self._device:
            return maxsim(states, codes, cores())
        from rag import codes_torch  # torch is not what a first-time user has

        return codes_torch.maxsim(states, codes, self._device)
