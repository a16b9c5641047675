"""Why it cannot go on, and what to do: for a person."""


class Trouble(Exception):
    """Exit code 1."""

    code = 1


class Missing(Trouble):
    """Something that must be here first: exit code 77, by which continuous integration knows a skip."""

    code = 77
