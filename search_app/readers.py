"""Who reads a collection, counted and said in words: the other side of `access.readable`."""

from dataclasses import dataclass

from django.contrib.auth import get_user_model

from search_app.models import Collection

EVERYBODY = "Everybody who reaches the site, without signing in."
NOBODY = "Nobody but staff."


@dataclass(frozen=True, slots=True)
class Readers:
    """People with an active account who may read a collection. Staff, who read all, count only if chosen."""

    public: bool
    people: int
    by_name: int
    by_group: tuple[tuple[str, int], ...]
    """Name and number of members of each group that was chosen, by name."""

    @property
    def words(self) -> str:
        """One plain sentence: `12 people: 3 by name, 9 by group Board.`"""
        if self.public:
            return EVERYBODY
        if not self.people:
            empty = ", ".join(name for name, _ in self.by_group)
            return f"Nobody but staff: no active member in {empty}." if empty else NOBODY
        ways = [(f"{self.by_name:,} by name", self.by_name)] if self.by_name else []
        ways += [(f"{n:,} by group {name}", n) for name, n in self.by_group]
        people = f"{self.people:,} {'person' if self.people == 1 else 'people'}"
        twice = sum(n for _, n in ways) - self.people
        more = ", some of them in more than one way" if twice and self.people > 1 else ""
        return f"{people}: {', '.join(way for way, _ in ways)}{more}."


def readers_of(collection: Collection) -> Readers:
    """The readers as they are at this moment."""
    active = get_user_model().objects.filter(is_active=True)
    named = set(active.filter(pk__in=collection.readers.values("pk")).values_list("pk", flat=True))
    everybody, groups = set(named), []
    for group in collection.groups.order_by("name"):
        members = set(active.filter(groups=group).values_list("pk", flat=True))
        groups.append((group.name, len(members)))
        everybody |= members
    return Readers(collection.public, len(everybody), len(named), tuple(groups))


def staff_count() -> int:
    """People who read everything."""
    return get_user_model().objects.filter(is_active=True, is_staff=True).count()
