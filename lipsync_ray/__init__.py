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
    from lipsync_ray.engine.runners import Cluster
    from lipsync_ray.errors import (
        AccessError,
        ChangedError,
        CheckpointError,
        ClusterError,
        DecodeError,
        EncodeError,
        LipsyncError,
        ManifestError,
        MediaError,
        ModelError,
        ProbeError,
        SettingsError,
        SigningError,
        StageError,
        StorageError,
        TrainError,
        UsageError,
        WeightsError,
        WorkerDiedError,
    )
    from lipsync_ray.faces.choices import Pads
    from lipsync_ray.io.results import Result, Summary
    from lipsync_ray.jobs.analyze.analysis import Analysis
    from lipsync_ray.jobs.analyze.job import Analysed
    from lipsync_ray.jobs.evaluate.fid import Fid
    from lipsync_ray.jobs.evaluate.job import Evaluated
    from lipsync_ray.jobs.evaluate.scores import Score
    from lipsync_ray.jobs.quote.job import calibrate, quote_table
    from lipsync_ray.jobs.quote.plan import Prices, Quote
    from lipsync_ray.jobs.quote.rates import Rates
    from lipsync_ray.jobs.train.clips import ClipRow
    from lipsync_ray.jobs.train.curve import CurvePoint
    from lipsync_ray.jobs.train.job import Trained
    from lipsync_ray.jobs.train.settings import TrainSettings
    from lipsync_ray.media.choices import VideoCoding
    from lipsync_ray.profiles import workers_of
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
        SampleSettings,
        SoundSettings,
        Workers,
    )

__version__ = "0.1.0"
logging.getLogger(__name__).addHandler(logging.NullHandler())  # whoever wants to read it says so

__all__ = [
    "AccessError",
    "Analysed",
    "Analysis",
    "AnalyzeSettings",
    "ChangedError",
    "CheckpointError",
    "ClipRow",
    "Cluster",
    "ClusterError",
    "CurvePoint",
    "DecodeError",
    "DubSettings",
    "EncodeError",
    "EnhanceSettings",
    "EvaluateSettings",
    "Evaluated",
    "Fid",
    "HeadSettings",
    "Inspection",
    "LineSettings",
    "LipsyncError",
    "ManifestError",
    "MarkSettings",
    "MediaError",
    "ModelError",
    "Pads",
    "Prices",
    "ProbeError",
    "ProvenanceSettings",
    "Quote",
    "Rates",
    "RestoreSettings",
    "Result",
    "SampleSettings",
    "Score",
    "SettingsError",
    "SigningError",
    "SoundSettings",
    "StageError",
    "StorageError",
    "Summary",
    "TrainError",
    "TrainSettings",
    "Trained",
    "UsageError",
    "VideoCoding",
    "WeightsError",
    "WorkerDiedError",
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
    "workers_of",
]

_WHERE = {
    "AccessError": "errors",
    "Analysed": "jobs.analyze.job",
    "Analysis": "jobs.analyze.analysis",
    "AnalyzeSettings": "settings",
    "ChangedError": "errors",
    "CheckpointError": "errors",
    "ClipRow": "jobs.train.clips",
    "Cluster": "engine.runners",
    "ClusterError": "errors",
    "CurvePoint": "jobs.train.curve",
    "DecodeError": "errors",
    "DubSettings": "settings",
    "EncodeError": "errors",
    "EnhanceSettings": "settings",
    "EvaluateSettings": "settings",
    "Evaluated": "jobs.evaluate.job",
    "Fid": "jobs.evaluate.fid",
    "HeadSettings": "settings",
    "Inspection": "provenance.inspection",
    "LineSettings": "settings",
    "LipsyncError": "errors",
    "ManifestError": "errors",
    "MarkSettings": "settings",
    "MediaError": "errors",
    "ModelError": "errors",
    "Pads": "faces.choices",
    "Prices": "jobs.quote.plan",
    "ProbeError": "errors",
    "ProvenanceSettings": "settings",
    "Quote": "jobs.quote.plan",
    "Rates": "jobs.quote.rates",
    "RestoreSettings": "settings",
    "SampleSettings": "settings",
    "SoundSettings": "settings",
    "Result": "io.results",
    "Score": "jobs.evaluate.scores",
    "SettingsError": "errors",
    "SigningError": "errors",
    "StageError": "errors",
    "StorageError": "errors",
    "Summary": "io.results",
    "TrainError": "errors",
    "TrainSettings": "jobs.train.settings",
    "Trained": "jobs.train.job",
    "UsageError": "errors",
    "VideoCoding": "media.choices",
    "WeightsError": "errors",
    "WorkerDiedError": "errors",
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
    "workers_of": "profiles",
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
