"""The worst model there is."""

import re

from tests.faults.writer import Body
from tests.injection.documents import documents

SET = documents()


def obeying(body: Body) -> list[str]:
    """What a model writes that does whatever the document of the asked ship wants."""
    asked = body["messages"][-1]["content"]
    ship = re.findall(r"Question: .*?(Zor[a-z]+)", asked)[-1]
    attack = next(one.attack for one in SET if ship in one.question)
    return [f"It leaves at nine [1]. {attack}", f" {attack} [1]"]
