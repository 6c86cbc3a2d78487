"""The time code of a video's first frame (SMPTE ST 12-1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

_FORM = re.compile(r"(\d\d[:.]\d\d[:.]\d\d([:;.]))(\d\d\d?)")


def tag(metadata: Mapping[str, str], name: str) -> str:
    """A text of a file's metadata; "" without. Matroska writes names in capitals."""
    return next((text for key, text in metadata.items() if key.lower() == name), "")


def time_code_of(container: Any, stream: Any) -> str:
    """The time code of an open file; "" without one."""
    found = (tag(one.metadata, "timecode") for one in (stream, container, *container.streams))
    return next(filter(None, found), "")


def fits(time_code: str, rate: Fraction) -> bool:
    """Whether a video can have a time code: drop frame is for multiples of 29.97 frames/s alone."""
    form = _FORM.fullmatch(time_code)
    return form is not None and (form[2] == ":" or round(rate) % 30 == 0)


def of_parts(time_code: str, each: int) -> str:
    """The same moment in a video of so many frames for each one; a text that is no time code stays."""
    form = _FORM.fullmatch(time_code)
    return time_code if form is None else f"{form[1]}{int(form[3]) * each:02d}"
