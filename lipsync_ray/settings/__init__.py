"""What a run was asked to do: checked when made, printed, stored with the run, and part of every name it commits."""

from lipsync_ray.settings.analyze import AnalyzeSettings
from lipsync_ray.settings.drawing import Precision, Region, RestoreSettings
from lipsync_ray.settings.dub import SEGMENT_S, DubSettings, Length, Reference
from lipsync_ray.settings.enhance import EnhanceSettings
from lipsync_ray.settings.evaluate import EvaluateSettings, Protocol, SampleSettings
from lipsync_ray.settings.head import HeadSettings
from lipsync_ray.settings.lines import LineSettings
from lipsync_ray.settings.marks import MarkSettings
from lipsync_ray.settings.provenance import ProvenanceSettings
from lipsync_ray.settings.sound import SoundSettings
from lipsync_ray.settings.workers import EngineKind, Workers

__all__ = [
    "SEGMENT_S",
    "AnalyzeSettings",
    "DubSettings",
    "EngineKind",
    "EnhanceSettings",
    "EvaluateSettings",
    "HeadSettings",
    "Length",
    "LineSettings",
    "MarkSettings",
    "Precision",
    "Protocol",
    "ProvenanceSettings",
    "Reference",
    "Region",
    "RestoreSettings",
    "SampleSettings",
    "SoundSettings",
    "Workers",
]
