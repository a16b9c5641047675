"""Settings of torch on a machine; they need torch to be read."""

import pytest

from rag.errors import ModelError
from rag.placement import placement

pytestmark = pytest.mark.torch


def test_a_share_of_the_memory_is_read_and_held_to_its_limits() -> None:
    assert placement({"SIEVE_TORCH_DEVICE": "cpu"}).memory == 1.0
    assert placement({"SIEVE_TORCH_DEVICE": "cpu", "SIEVE_TORCH_MEMORY": "0.2"}).memory == 0.2
    for wrong in ("0", "1.5", "much", "nan", "-1"):
        with pytest.raises(ModelError, match="SIEVE_TORCH_MEMORY is"):
            placement({"SIEVE_TORCH_DEVICE": "cpu", "SIEVE_TORCH_MEMORY": wrong})
