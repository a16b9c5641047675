"""Fetch the language model for vLLM, once: `python docker/llm.py`, into /llm/model.

LLM_MODEL is a repository of the model hub and LLM_REVISION its commit, branch or tag. What lies there
already is left alone; to change the model, empty the volume `llm`. Without a network, put the model's folder
into that volume.
"""

import os
import shutil
from pathlib import Path

PLACE = Path("/llm/model")
KINDS = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""Weights as safetensors only, and no code of the model's own."""


def main() -> None:
    if PLACE.is_dir():
        print("The language model is here already.")
        return
    from huggingface_hub import snapshot_download

    making = PLACE.with_name("making")
    shutil.rmtree(making, ignore_errors=True)
    name, revision = os.environ["LLM_MODEL"], os.environ["LLM_REVISION"]
    try:
        snapshot_download(name, revision=revision, allow_patterns=list(KINDS), local_dir=making)
    except Exception as error:  # its own errors and those of two network libraries
        raise SystemExit(
            f"The model {name} at {revision} cannot be fetched ({type(error).__name__}). Put its folder "
            "into the volume llm, as /llm/model."
        ) from error
    making.rename(PLACE)
    print(f"Fetched {name} at {revision}.")


if __name__ == "__main__":
    main()
