"""Rights under change: random people ask everywhere while documents and rights come and go."""

import os
import random

import pytest

from tests.search_app.rights.indexing import Worker
from tests.search_app.rights.pages import Pages
from tests.search_app.rights.surfaces import Surfaces
from tests.search_app.rights.world import World

FULL = int(os.environ.get("SIEVE_RIGHTS_QUERIES", "2000"))
"""Queries of each of the fifteen users in the whole run."""
A_STEP = 5
"""Queries of each user between two changes."""
SURFACES = 4 + 13
"""Ways to ask or to read, in this process and by HTTP."""


CHANGES = {"upload": 14, "replace": 8, "delete": 8, "grant": 8, "revoke": 8, "group": 12, "disband": 1}
CHANGES |= {"open": 6, "renew": 2, "limit": 6, "share": 10, "work": 20}
"""What may happen, and how often out of all."""


def change(world: World) -> None:
    """One random change."""
    choose, model = world.random.choice, world.model
    collections, users = list(model.libraries), [p.name for p in world.people if p.name.startswith("user")]
    alive = [number for number, paper in model.papers.items() if paper.exists]
    kind = world.random.choices(list(CHANGES), list(CHANGES.values()))[0]
    if kind == "upload" or (kind in {"replace", "delete"} and len(alive) < 5):
        world.upload(choose(collections))
    elif kind == "replace":
        world.replace(choose(alive))
    elif kind == "delete":
        world.delete(choose(alive))
    elif kind == "grant":
        user = world.random.random() < 0.5
        world.grant_user(choose(users), choose(collections)) if user else world.grant_group(
            choose(list(model.members)), choose(collections)
        )
    elif kind == "revoke":
        library = choose(collections)
        rights = model.libraries[library]
        if rights.users and world.random.random() < 0.5:
            world.revoke_user(choose(sorted(rights.users)), library)
        elif rights.groups:
            world.revoke_group(choose(sorted(rights.groups)), library)
    elif kind == "group":
        user, group = choose(users), choose(list(model.members))
        (world.leave if user in model.members[group] else world.join)(user, group)
    elif kind == "disband":
        world.disband(choose(list(model.members)))
    elif kind == "renew":
        world.renew(choose(collections))
    elif kind == "open":
        library = choose(collections)
        world.publish(library, not model.libraries[library].public)
    elif kind == "limit":
        world.limit(world.random.sample(collections, 2))
    elif kind == "share" and model.traces:
        trace = choose(list(model.traces)[-60:])
        world.share(trace, not model.traces[trace].shared)
    elif kind == "work":
        world.work()


def live(world: World, queries: int, seed: int) -> dict[str, int]:
    """So many queries of each user, five between two changes, and one of everybody else."""
    rng = random.Random(seed)
    surfaces = Surfaces(world, rng, Pages(world, rng))
    for _ in range(12):
        world.upload(world.random.choice(list(world.model.libraries)))
    world.work()
    for step in range(queries // A_STEP):
        change(world)
        turns = [p for p in world.people for _ in range(A_STEP if p.name.startswith("user") else 1)]
        surfaces.random.shuffle(turns)
        for person in turns:
            try:
                surfaces.one(person)
            except AssertionError as error:
                error.add_note(f"at step {step} of seed {seed}")
                raise
    return surfaces.counts


def test_nobody_sees_what_is_not_his_and_everybody_finds_what_is(worker: Worker) -> None:
    world = World(random.Random(1), worker)
    world.build()
    counts = live(world, 30, 1)
    assert sum(counts.values()) == 6 * (15 * A_STEP + 3)
    assert len(counts) == SURFACES


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_same_with_two_thousand_queries_of_each_user(worker: Worker) -> None:
    world = World(random.Random(2), worker)
    world.build()
    counts = live(world, FULL, 2)
    assert sum(counts.values()) == FULL // A_STEP * (15 * A_STEP + 3)
    assert len(counts) == SURFACES
