"""Fields that take a value for what it is: no number from text, no text from a number."""

from collections.abc import Mapping
from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from search_app.asking import MAX_QUESTION

SLUG = r"\A[-a-zA-Z0-9_]+\Z"
SAID = r"[^\s\x00\x1c-\x1f\x85]"
"""A text that says something: one character that is neither blank nor NUL. The last ones are blank in Python
and not in the regular expressions of a schema."""


class Body(serializers.Serializer):
    """An object of a request. A field that it does not have is refused by name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                have = ", ".join(self.fields)
                raise serializers.ValidationError(
                    {str(name)[:100]: [f"There is no such field. Fields: {have}."] for name in unknown[:5]}
                )
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A text. With `pattern` it is a name, which must match it as it was sent."""

    def __init__(self, *, pattern: str | None = None, **options: Any) -> None:
        super().__init__(trim_whitespace=pattern is None, **options)
        if pattern:
            self.validators.append(RegexValidator(pattern, "This can be no name here."))

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Question(Text):
    """What is asked, at most `MAX_QUESTION` characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(pattern=SAID, max_length=MAX_QUESTION, min_length=1, **options)

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data).replace("\0", "")


class Number(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        whole = isinstance(data, int) or (isinstance(data, float) and data.is_integer())
        if not whole or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(int(data))


class Flag(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input="this")
        return data


class Names(serializers.ListField):
    """A list of names, each once or more."""

    def __init__(self, *, pattern: str = SLUG, most: int = 100, each: int = 100, **options: Any) -> None:
        child = Text(pattern=pattern, max_length=each, min_length=1)
        super().__init__(child=child, max_length=most, **options)
