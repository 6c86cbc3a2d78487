"""Makes parameters of a command from the options of settings, and the settings from what was given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from functools import cache
from typing import Annotated, Any, get_type_hints

import typer

from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import check_value
from lipsync_ray.settings.options import Leaf, built, leaf_of, leaves_of, split

_TYPES = {Fraction: "a number or a fraction", float: "a number", int: "a number"}


@dataclass(frozen=True)
class Only:
    """The fields of a dataclass that a command has options for, each as a path with dots."""

    paths: tuple[str, ...]


@dataclass(frozen=True)
class Without:
    """The fields of a dataclass that a command has no options for, each as a path with dots."""

    paths: tuple[str, ...]


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameters are options: a dataclass stands for those of its fields, and is made of them.

    A dataclass that has a method ``begin`` is made before the others, and begun.
    """
    values_of: dict[str, list[Leaf]] = {}
    kinds: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        leaf = leaf_of(name, hints[name], parameter.default)
        if leaf is not None:
            parameters.append(_parameter(leaf))
            values_of[name] = [leaf]
        elif is_dataclass(kind := split(hints[name])[0]):
            kinds[name] = kind
            values_of[name] = list(_of_command(kind, hints[name]))
            parameters += map(_parameter, values_of[name])
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))

    def command(**given: Any) -> None:
        arguments = {name: value for name, value in given.items() if name in hints and name not in values_of}
        for name in sorted(values_of, key=lambda name: not hasattr(kinds.get(name), "begin")):
            values = {leaf.path: _value(leaf, given[leaf.name]) for leaf in values_of[name]}
            if name not in kinds:
                (leaf,) = values_of[name]
                check_value(leaf, values[leaf.path])
                arguments[name] = values[leaf.path]
                continue
            arguments[name] = built(kinds[name], values)
            if hasattr(kinds[name], "begin"):
                arguments[name].begin()
        function(**arguments)

    made: Any = command
    made.__name__, made.__doc__, made.__module__ = function.__name__, function.__doc__, function.__module__
    made.__signature__ = inspect.Signature(parameters)
    made.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    made.leaves = [leaf for leaves in values_of.values() for leaf in leaves]
    return command


def _of_command(kind: Any, annotation: Any) -> Iterator[Leaf]:
    notes = split(annotation)[1]
    for leaf in leaves_of(kind):
        path = ".".join(leaf.path)
        only = [note.paths for note in notes if isinstance(note, Only)]
        without = [note.paths for note in notes if isinstance(note, Without)]
        if all(path in paths for paths in only) and not any(path in paths for paths in without):
            yield leaf


@cache
def _parameter(leaf: Leaf) -> inspect.Parameter:
    option, hint = leaf.option, leaf.hint
    info: dict[str, Any] = {"help": leaf.help}
    if option.panel:
        info["rich_help_panel"] = option.panel
    if option.metavar:
        info["metavar"] = option.metavar
    default = None if leaf.if_given else _default_text(leaf)
    if parser := _parser(leaf):
        hint, info["parser"] = str, parser
        if option.flag.startswith("-"):
            info.setdefault("metavar", "<choice>" if leaf.choices else f"<{_TYPES[leaf.hint].split()[-1]}>")
    if leaf.choices:
        info["autocompletion"] = lambda incomplete: [word for word in leaf.choices if word.startswith(incomplete)]
    if is_dataclass(leaf.hint):
        hint = tuple[tuple(float for _ in fields(leaf.hint))]  # type: ignore[misc]
    flag = option.flag
    if hint is bool and leaf.default is not False and not leaf.if_given:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    if flag.startswith("-"):
        names = (option.short, flag) if option.short else (flag,)
        note: Any = typer.Option(*names, **info)
    else:
        note = typer.Argument(**info)
    empty = inspect.Parameter.empty
    return inspect.Parameter(
        leaf.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=empty if option.required else default,
        annotation=Annotated[hint | None if default is None and not option.required else hint, note],
    )


def _default_text(leaf: Leaf) -> Any:
    """The default of an option as the command line shows it."""
    value = leaf.default
    if is_dataclass(value):
        return tuple(_short(getattr(value, part.name)) for part in fields(value))
    if value is None and leaf.option.none:
        return leaf.option.none
    return str(_short(value)) if _parser(leaf) and value is not None else _short(value)


def _short(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _parser(leaf: Leaf) -> Callable[[str], Any] | None:
    """What makes a value of a text, where typer alone does not."""
    if leaf.choices:

        def choice(text: str) -> str:
            check_value(leaf, text)
            return text

        return choice
    if leaf.hint is Fraction or (leaf.option.none and leaf.hint is not str):

        def number(text: str) -> Any:
            if text == leaf.option.none:
                return _NONE
            try:
                return leaf.hint(text)
            except (ValueError, ZeroDivisionError):
                raise SettingsError(f"{leaf.option.flag} {text}: expected {_expected(leaf)}") from None

        return number
    return None


_NONE = object()  # a None that was given


def _expected(leaf: Leaf) -> str:
    unit = f" of {leaf.option.unit}" if leaf.option.none and leaf.option.unit else ""
    return f"{_TYPES[leaf.hint]}{unit}" + (f", or {leaf.option.none}" if leaf.option.none else "")


def _value(leaf: Leaf, given: Any) -> Any:
    """The value of a field, by what typer makes of an option."""
    if given is _NONE or (leaf.hint is str and leaf.option.none and given == leaf.option.none):
        return None
    if is_dataclass(leaf.hint):
        kind: Any = leaf.hint
        return None if given is None else kind(*given)
    return given
