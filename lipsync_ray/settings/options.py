"""Options: what a field of a settings dataclass is called on the command line, what it means, and which values it takes.

A field is annotated with its option; the command line, its checks, ``docs/options.md`` and the docstring are made of that:

    face: Annotated[FaceRule, Option("Who speaks where several are seen.", panel=LIPS)] = "largest"
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lipsync_ray.errors import SettingsError

T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """An option of the command line.

    Attributes
    ----------
    help : one or two sentences; choices that they do not name are added
    panel : heading under which ``--help`` shows it; "" for the first one
    flag : its name; "" for that of the field. A name without dashes is a positional argument
    short : a name of one letter, such as "-o"
    least, most : range of a number, both ends included; None where there is no end
    above : what a number is to be larger than
    unit : of the range, in messages
    none : the word that means None on the command line, such as "all"
    metavar : what ``--help`` shows for the value; "" for its type
    required : whether the command line has no default for it
    python : how a caller in Python says it, where it is no field of settings
    """

    help: str
    panel: str = ""
    flag: str = ""
    short: str = ""
    least: float | None = None
    most: float | None = None
    above: float | None = None
    unit: str = ""
    none: str = ""
    metavar: str = ""
    required: bool = False
    python: str = ""


@dataclass(frozen=True)
class Group:
    """Options of a dataclass in a dataclass.

    Attributes
    ----------
    options : by field: of a dataclass that has none itself, or instead of its own
    switch : field whose ``none`` means that there is no dataclass at all. Where it is "", and the dataclass may be None, it is
        made of what is given, and is None where nothing is
    """

    options: Mapping[str, Option] = field(default_factory=dict)
    switch: str = ""


@dataclass(frozen=True)
class Given:
    """Options of another dataclass, in a field that keeps by name what is given of them.

    Attributes
    ----------
    kind : the dataclass
    """

    kind: Any


@dataclass(frozen=True)
class Leaf:
    """An option, and where its value goes.

    Attributes
    ----------
    option : with its flag
    hint : type of the value, without None
    default : value where the option is not given
    path : fields from the outermost dataclass to the value
    kinds : the dataclasses of these fields
    if_given : whether the default stands aside, because another value than the field's may be meant by it
    """

    option: Option
    hint: Any
    default: Any
    path: tuple[str, ...]
    kinds: tuple[type, ...] = ()
    if_given: bool = False

    @property
    def name(self) -> str:
        """A name as Python's, which no other option of a command has."""
        return self.option.flag.lstrip("-").replace("-", "_")

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that are allowed; empty where any is."""
        return choices_of(self.hint)

    @property
    def meaning(self) -> str:
        """What the option means, and its choices."""
        text = self.option.help
        if not {*self.choices} <= {*re.findall(r"[\w-]+", text)}:
            text = f"{text.removesuffix('.')}: {', '.join(self.choices)}."
        return text

    @property
    def help(self) -> str:
        """The meaning, and a default that the command line does not have, since another is meant where nothing is given."""
        told = self.if_given and self.default is not None and self.default is not False
        return f"{self.meaning} Default: {self.default}." if told else self.meaning

    @property
    def python(self) -> str:
        """The value's place in Python: ``coding=VideoCoding(crf=…)``."""
        if self.option.python or not self.kinds:
            return self.option.python
        value = "…"
        if isinstance(self.hint, type) and is_dataclass(self.hint):
            value = f"{self.hint.__name__}({', '.join(f'{part.name}=…' for part in fields(self.hint))})"
        for name, kind in zip(reversed(self.path), reversed((None, *self.kinds[1:])), strict=True):
            value = f"{name}={value}" if kind is None else f"{kind.__name__}({name}={value})"
        return value


@cache
def leaves_of(kind: Any) -> tuple[Leaf, ...]:
    """The options of a dataclass and of those in it, in the order of their fields."""
    return tuple(_leaves(kind, Group(), (), (), False))


def leaf_of(name: str, annotation: Any, default: Any = None) -> Leaf | None:
    """The option of a field or parameter by its annotation; None where there is none."""
    hint, notes = split(annotation)
    option = next((note for note in notes if isinstance(note, Option)), None)
    return None if option is None else Leaf(_flagged(option, name), hint, default, (name,))


def built(kind: Callable[..., T], values: Mapping[tuple[str, ...], Any], path: tuple[str, ...] = ()) -> T:
    """A dataclass of its options' values.

    Parameters
    ----------
    values : by path; an option that a command lacks is left out, and has the default of its field
    path : of the dataclass in the outermost one

    Raises
    ------
    SettingsError : a value, or values together, cannot work
    """
    made = {}
    for part in fields(kind):  # type: ignore[arg-type]
        here = (*path, part.name)
        hint, notes = split(annotations_of(kind)[part.name])
        below = {at: value for at, value in values.items() if at[: len(here)] == here and len(at) > len(here)}
        group = next((note for note in notes if isinstance(note, Group)), Group())
        if here in values:
            made[part.name] = values[here]
        elif any(isinstance(note, Given) for note in notes):
            made[part.name] = {at[-1]: value for at, value in below.items() if value is not None}
        elif below and group.switch and below[(*here, group.switch)] is None:
            _check_alone(kind, below, (*here, group.switch))
        elif any(value is not None for value in below.values()):
            optional = part.default is None and not group.switch
            made[part.name] = built(hint, {at: v for at, v in below.items() if not optional or v is not None}, here)
    return kind(**made)


def described(kind: type[T]) -> type[T]:
    """A class decorator: the docstring gets a section with what the options say of the fields, the signature their types."""
    made: Any = kind
    lines = []
    for part in fields(made):
        hint, notes = split(annotations_of(made)[part.name])
        note = next((note for note in notes if isinstance(note, Option | str)), "")
        text = note.help if isinstance(note, Option) else note
        lines.append(f"    {part.name} : {text or f'see {hint.__name__}'}")
    kind.__doc__ = "\n".join([(kind.__doc__ or "").rstrip(), "", "    Attributes", "    ----------", *lines, "    "])
    plain = {
        name: get_args(hint)[0] if get_origin(hint) is Annotated else hint
        for name, hint in annotations_of(made).items()
    }
    made.__init__.__annotations__ = plain | {"return": None}
    return kind


@cache
def annotations_of(kind: Any) -> dict[str, Any]:
    """The annotations of a dataclass's fields, with their options."""
    return get_type_hints(kind, include_extras=True)


def choices_of(hint: Any) -> tuple[Any, ...]:
    """The words of a Literal, or of a union of them; empty for any other type."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(word for part in get_args(hint) for word in choices_of(part))
    return ()


def _leaves(kind: Any, group: Group, path: tuple[str, ...], kinds: tuple[type, ...], if_given: bool) -> Iterator[Leaf]:
    for part in fields(kind):
        hint, notes = split(annotations_of(kind)[part.name])
        option = group.options.get(part.name) or next((note for note in notes if isinstance(note, Option)), None)
        here, owners = (*path, part.name), (*kinds, kind)
        if option is not None:
            default = None if option.none and part.name == group.switch else _default(part)
            yield Leaf(_flagged(option, part.name), hint, default, here, owners, if_given)
        elif given := next((note for note in notes if isinstance(note, Given)), None):
            yield from _leaves(given.kind, Group(), here, owners, True)
        elif is_dataclass(hint):
            inner = next((note for note in notes if isinstance(note, Group)), Group())
            yield from _leaves(hint, inner, here, owners, part.default is None and not inner.switch)


def _flagged(option: Option, name: str) -> Option:
    return option if option.flag else replace(option, flag=f"--{name.replace('_', '-')}")


def _default(part: Field[Any]) -> Any:
    return part.default_factory() if part.default_factory is not MISSING else part.default


def split(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without None, and what it is annotated with."""
    notes: tuple[Any, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *rest = get_args(annotation)
        notes = tuple(rest)
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        annotation = parts[0] if len(parts) == 1 else Union[tuple(parts)]  # noqa: UP007
    return annotation, notes


def _check_alone(kind: Any, below: Mapping[tuple[str, ...], Any], switch: tuple[str, ...]) -> None:
    leaves = {leaf.path: leaf for leaf in leaves_of(kind)}
    others = [leaf for at, leaf in leaves.items() if at in below and at != switch and below[at] != leaf.default]
    if others:
        raise SettingsError(
            f"{others[0].option.flag} is for {leaves[switch].option.flag}; add that, or leave the option out"
        )
