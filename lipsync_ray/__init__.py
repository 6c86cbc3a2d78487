"""Bulk lip-sync dubbing of talking-head video on Ray.

>>> import lipsync_ray
>>> lipsync_ray.dub("face.mp4", "speech.wav", "out.mp4", model="warp")  # doctest: +SKIP

The same for the other jobs: :func:`dub_table`, :func:`enhance`, :func:`evaluate`, :func:`analyze`, :func:`train`; and
:func:`quote_table`, what a table will take. Nothing heavy is imported before one of them is called.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lipsync_ray.api import analyze, dub, dub_table, enhance, evaluate, train
    from lipsync_ray.errors import LipsyncError
    from lipsync_ray.faces.crop import Pads
    from lipsync_ray.io.results import Result, Summary
    from lipsync_ray.jobs.analyze.job import Analysed
    from lipsync_ray.jobs.evaluate.job import Evaluated
    from lipsync_ray.jobs.quote.job import calibrate, quote_table
    from lipsync_ray.jobs.quote.plan import Prices, Quote
    from lipsync_ray.jobs.train.job import Trained
    from lipsync_ray.jobs.train.settings import TrainSettings
    from lipsync_ray.media.encode import VideoCoding
    from lipsync_ray.provenance.inspection import Inspection, inspect_file
    from lipsync_ray.settings import (
        AnalyzeSettings,
        DubSettings,
        EnhanceSettings,
        EvaluateSettings,
        HeadSettings,
        LineSettings,
        MarkSettings,
        ProvenanceSettings,
        RestoreSettings,
        Workers,
    )

__version__ = "0.1.0"
logging.getLogger(__name__).addHandler(logging.NullHandler())  # whoever wants to read it says so

__all__ = [
    "Analysed",
    "AnalyzeSettings",
    "DubSettings",
    "EnhanceSettings",
    "EvaluateSettings",
    "Evaluated",
    "HeadSettings",
    "Inspection",
    "LineSettings",
    "LipsyncError",
    "MarkSettings",
    "Pads",
    "Prices",
    "ProvenanceSettings",
    "Quote",
    "RestoreSettings",
    "Result",
    "Summary",
    "TrainSettings",
    "Trained",
    "VideoCoding",
    "Workers",
    "analyze",
    "calibrate",
    "dub",
    "dub_table",
    "enhance",
    "evaluate",
    "inspect_file",
    "quote_table",
    "train",
]

_WHERE = {
    "Analysed": "jobs.analyze.job",
    "AnalyzeSettings": "settings",
    "DubSettings": "settings",
    "EnhanceSettings": "settings",
    "EvaluateSettings": "settings",
    "Evaluated": "jobs.evaluate.job",
    "HeadSettings": "settings",
    "Inspection": "provenance.inspection",
    "LipsyncError": "errors",
    "LineSettings": "settings",
    "MarkSettings": "settings",
    "Pads": "faces.crop",
    "Prices": "jobs.quote.plan",
    "ProvenanceSettings": "settings",
    "Quote": "jobs.quote.plan",
    "RestoreSettings": "settings",
    "Result": "io.results",
    "Summary": "io.results",
    "TrainSettings": "jobs.train.settings",
    "Trained": "jobs.train.job",
    "VideoCoding": "media.encode",
    "Workers": "settings",
    "analyze": "api",
    "calibrate": "jobs.quote.job",
    "dub": "api",
    "dub_table": "api",
    "enhance": "api",
    "evaluate": "api",
    "inspect_file": "provenance.inspection",
    "quote_table": "jobs.quote.job",
    "train": "api",
}


def __getattr__(name: str) -> Any:
    """The public names, from where they are defined; so that a command's ``--help`` and a worker load only what they use."""
    if name not in _WHERE:
        raise AttributeError(f"module 'lipsync_ray' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"lipsync_ray.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
