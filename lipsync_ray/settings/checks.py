"""Checks of what options and settings say, in one wording."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from fractions import Fraction
from functools import cache
from numbers import Rational
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lipsync_ray.errors import SettingsError

T = TypeVar("T")
_MOST = 80  # characters of a value in a message
_WORDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", type(None): "None"}


def check_types(settings: Any) -> None:
    """Check that every field of a dataclass, and of dataclasses in it, is of the type that it declares.

    An int is a float, too, and a Fraction; a bool is no number. Which texts and numbers are allowed is for others to check.

    Raises
    ------
    SettingsError : names the field, the value, and what was expected
    """
    _check_fields(type(settings).__name__, settings)


def given(name: str, value: T | None, kind: type[T]) -> T | None:
    """An argument that is to be a dataclass of a kind, or None.

    Raises
    ------
    SettingsError : it is something else, or something in it is
    """
    if value is not None and not isinstance(value, kind):
        raise SettingsError(f"{name}={_quoted(value)}: expected {_words(kind)}, or None")
    if value is not None:
        check_types(value)
    return value


def _check_fields(place: str, values: Any) -> None:
    kind: Any = type(values)
    hints = _hints(kind)
    for field in fields(values):
        value, hint = getattr(values, field.name), hints[field.name]
        where = f"{place}.{field.name}"
        if not _fits(value, hint):
            raise SettingsError(f"{where}={_quoted(value)}: expected {_words(hint)}")
        if is_dataclass(value):
            _check_fields(where, value)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: object, hint: Any) -> bool:
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return isinstance(value, tuple({type(word) for word in get_args(hint)}))
    if isinstance(value, bool):
        return hint is bool
    if issubclass(hint, Rational):
        return isinstance(value, Rational)
    return isinstance(value, (int, float) if hint is float else hint)


def _words(hint: Any) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(part) for part in get_args(hint)))
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(repr, get_args(hint)))}"
    if isinstance(hint, type) and is_dataclass(hint):
        return f"{hint.__name__}({', '.join(field.name for field in fields(hint))})"
    return _WORDS.get(hint, f"a {hint.__name__}")


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def one_of(option: str, value: str | None, allowed: tuple[str, ...]) -> None:
    """Check a choice; None, which leaves it open, is one.

    Raises
    ------
    SettingsError : it is none of those allowed
    """
    if value is not None and value not in allowed:
        raise SettingsError(f"{option} {value}: expected one of {', '.join(allowed)}")


def within(option: str, value: float | Fraction | None, least: float, most: float, unit: str = "") -> None:
    """Check a number; None, which leaves it open, is one.

    Raises
    ------
    SettingsError : it is smaller, larger, or not a number
    """
    if value is not None and not least <= value <= most:
        raise SettingsError(f"{option} {value}: expected {least} to {most}{unit and ' '}{unit}")
