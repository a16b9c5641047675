"""MaxSim over token codes on a GPU: the same estimate as `rag.codes.maxsim`, with the query in floats."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rag.codes import TokenCodes, rotation
from rag.encode.base import Floats


def maxsim(query: Floats, passages: Sequence[TokenCodes], device: str) -> Floats:
    """As `rag.codes.maxsim`; `device` as torch names it. Scores agree with its within 1e-3."""
    import torch  # not what a first-time user has

    scores = np.full(len(passages), -1.0, dtype=np.float32)
    filled = [place for place, codes in enumerate(passages) if len(codes.factors)]
    if not len(query) or not filled:
        return scores
    codes = [passages[place] for place in filled]
    lengths = np.array([len(code.factors) for code in codes])

    def there(array: Any) -> Any:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    with torch.inference_mode():
        turned = there(query @ rotation(query.shape[1]))
        packed = there(np.concatenate([code.bits for code in codes]))
        factors = there(np.concatenate([code.factors for code in codes])).float()
        places = torch.arange(7, -1, -1, device=device, dtype=torch.uint8)
        signs = ((packed[:, :, None] >> places) & 1).flatten(1).to(turned.dtype) * 2 - 1
        similarity = (signs @ turned.T) * factors[:, None]
        owner = there(np.repeat(np.arange(len(codes)), lengths))[:, None].expand_as(similarity)
        best = torch.full((len(codes), len(query)), -1.0, device=device, dtype=similarity.dtype)
        best.scatter_reduce_(0, owner, similarity, "amax", include_self=False)
        scores[filled] = best.mean(dim=1).cpu().numpy()
    return scores
