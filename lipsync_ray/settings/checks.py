"""Checks of what options and settings say, in one wording."""

from __future__ import annotations

import types
from copy import deepcopy
from dataclasses import fields, is_dataclass
from functools import cache
from numbers import Rational
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.options import Leaf, Option, leaves_of

T = TypeVar("T")
_MOST = 80  # characters of a value in a message
_WORDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", type(None): "None"}


def check(settings: Any) -> None:
    """Check types as :func:`check_types` does, then choices and ranges of numbers, by the fields' options.

    Raises
    ------
    SettingsError : names the option, or the field; the value, and what was expected
    """
    check_types(settings)
    kind: Any = type(settings)
    for leaf in leaves_of(kind):
        if not any(is_dataclass(kind) and hasattr(kind, "__post_init__") for kind in leaf.kinds[1:]):
            value = settings
            for name in leaf.path:
                value = getattr(value, name, None)
            check_value(leaf, value)


def check_value(leaf: Leaf, value: Any) -> None:
    """Check one value against its option; None, which leaves it open, is one.

    Raises
    ------
    SettingsError
    """
    option = leaf.option
    if value is None:
        return
    if leaf.choices and value not in leaf.choices:
        raise SettingsError(f"{option.flag} {value}: expected one of {', '.join(leaf.choices)}")
    bounds = (option.least, option.above, option.most)
    if any(bound is not None for bound in bounds) and not _inside(value, *bounds):
        raise SettingsError(f"{option.flag} {value}: expected {range_of(option)}")


def range_of(option: Option) -> str:
    """The numbers that an option takes, in words: ``0 to 51``, ``at least 1``; empty where all are."""
    if option.least is not None and option.most is not None:
        numbers = f"{option.least} to {option.most}"
    else:
        ends = ("at least", option.least), ("more than", option.above), ("at most", option.most)
        numbers = ", ".join(f"{words} {end}" for words, end in ends if end is not None)
    unit, none = option.unit and f" {option.unit}", option.none and f", or {option.none}"
    return f"{numbers}{unit}{none}" if numbers else ""


def _inside(value: Any, least: float | None, above: float | None, most: float | None) -> bool:
    enough = (least is None or value >= least) and (above is None or value > above)
    return enough and (most is None or value <= most)


def check_types(settings: Any) -> None:
    """Check that every field of a dataclass, and of dataclasses in it, is of the type that it declares.

    An int is a float, too, and a Fraction; a bool is no number. Which texts and numbers are allowed is for others to check.

    Raises
    ------
    SettingsError : names the field, the value, and what was expected
    """
    _check_fields(type(settings).__name__, settings)


def values_of(settings: Any) -> dict[str, Any]:
    """As :func:`dataclasses.asdict`; a whole number where a float is declared becomes one, so that equal settings have equal texts."""
    kind: Any = type(settings)
    hints = _hints(kind)
    return {field.name: _plain(getattr(settings, field.name), hints[field.name]) for field in fields(settings)}


def _plain(value: Any, hint: Any) -> Any:
    if is_dataclass(value):
        return values_of(value)
    return float(value) if type(value) is int and float in (hint, *get_args(hint)) else deepcopy(value)


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
