"""A job's rows: frozen dataclasses, their values as JSON and Parquet have them, and their Arrow schema.

What a dataclass's annotations say is worked out once: a table has a hundred thousand rows of fifty fields.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

ARROW = "arrow"  # key of a field's metadata: its Arrow type, if the annotation does not determine it
_KINDS: dict[Any, pa.DataType] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}

_Convert = Callable[[Any], Any]


def schema_of(kind: Any) -> pa.Schema:
    """The Arrow schema of a dataclass: text, numbers, tuples and lists of them, dataclasses in it as structs."""
    return pa.schema(_columns(kind))


def row_from(kind: Any, values: Mapping[str, Any]) -> Any:
    """Make a dataclass from JSON or Parquet values. A missing field, or null in one that may not be None, gets its
    default.
    """
    out = {}
    for name, convert, needed in _readers(kind):
        value = values.get(name)
        if value is not None:
            out[name] = value if convert is None else convert(value)
        elif needed:
            out[name] = None
    return kind(**out)


def values_of(row: Any) -> dict[str, Any]:
    """The fields of a dataclass as values for JSON or Parquet; dataclasses in it become dicts."""
    out = {}
    kind: Any = type(row)
    for name, convert in _writers(kind):
        value = getattr(row, name)
        out[name] = value if convert is None or value is None else convert(value)
    return out


@cache
def _readers(kind: Any) -> list[tuple[str, _Convert | None, bool]]:
    """(name, conversion, None if there is no value) of each field."""
    hints = get_type_hints(kind)
    out = []
    for field in fields(kind):
        hint = hints[field.name]
        default = field.default is not MISSING or field.default_factory is not MISSING
        out.append((field.name, _reader(hint), _may_be_none(hint) or not default))
    return out


def _reader(hint: Any) -> _Convert | None:
    """Conversion of a value to what an annotation says; None where it is that already."""
    hint = _bare(hint)
    if get_origin(hint) in (tuple, list):
        make, convert = get_origin(hint), _reader(get_args(hint)[0])
        if convert is None:
            return lambda values: make(values)
        return lambda values: make(None if value is None else convert(value) for value in values)
    return (lambda values: row_from(hint, values)) if is_dataclass(hint) else None


@cache
def _writers(kind: Any) -> list[tuple[str, _Convert | None]]:
    """(name, conversion) of each field."""
    hints = get_type_hints(kind)
    return [(field.name, _writer(hints[field.name])) for field in fields(kind)]


def _writer(hint: Any) -> _Convert | None:
    """Conversion of a field to values; None where it is values already."""
    hint = _bare(hint)
    if hint in _KINDS or get_origin(hint) is Literal:
        return None
    if get_origin(hint) in (tuple, list):
        convert = _writer(get_args(hint)[0])
        return None if convert is None else lambda items: [None if item is None else convert(item) for item in items]
    return values_of if is_dataclass(hint) else _values


def _values(value: Any) -> Any:
    """Any value, with dicts in the place of dataclasses."""
    if is_dataclass(value) and not isinstance(value, type):
        return values_of(value)
    if isinstance(value, dict):
        return {name: _values(item) for name, item in value.items()}
    return [_values(item) for item in value] if isinstance(value, list | tuple) else value


def _columns(kind: Any) -> list[tuple[str, pa.DataType]]:
    hints = get_type_hints(kind)
    return [(f.name, f.metadata.get(ARROW) or _arrow(hints[f.name])) for f in fields(kind)]


def _bare(hint: Any) -> Any:
    """The hint without its None."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = [part for part in get_args(hint) if part is not type(None)]
    return hint


def _may_be_none(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)


def _arrow(hint: Any) -> pa.DataType:
    hint = _bare(hint)
    if hint in _KINDS:
        return _KINDS[hint]
    if get_origin(hint) is Literal:
        return pa.string()
    if get_origin(hint) in (tuple, list):
        first, *rest = get_args(hint)
        return pa.list_(_arrow(first), 1 + len(rest)) if rest and rest != [...] else pa.list_(_arrow(first))
    if is_dataclass(hint):
        return pa.struct(_columns(hint))
    raise TypeError(f"{hint}: no Arrow type is known for it; name one in the field's metadata ({ARROW!r})")
