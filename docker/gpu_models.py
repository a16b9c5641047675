"""Make the torch copy of the int8 cross-encoder in the model store, once: `python docker/gpu_models.py`.

What `manage.py models torch-copy` does, where there is no Django.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rag.errors import ModelError
from rag.models import ModelStore, torch_copy

OF, NAME = "ms-marco-MiniLM-L-12-v2-int8", "ms-marco-MiniLM-L-12-v2-torch"


def main() -> None:
    store = ModelStore(Path(os.environ["SIEVE_MODEL_DIR"]))
    try:
        print(f"{store.path(NAME)} is here already.")
        return
    except ModelError:
        made = torch_copy.add(store, OF)
    print(f"Made {made.name}: {made.bytes / 1e6:.0f} MB.")


if __name__ == "__main__":
    main()
