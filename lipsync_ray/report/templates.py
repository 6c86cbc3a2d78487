"""Templates of the pages, and files that a page contains."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from lipsync_ray.io import storage
from lipsync_ray.io.formatting import number

if TYPE_CHECKING:
    from jinja2 import Template


def template_of(name: str) -> Template:
    """A template of this package; it may include others, style sheets and scripts."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lipsync_ray.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment.get_template(name)


def data_uri(url: str, kind: str) -> str:
    """A file as a data URI; empty where there is none.

    Parameters
    ----------
    kind : its media type
    """
    try:
        data = storage.read_bytes(url)
    except FileNotFoundError:
        return ""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
