"""The checkpoints that restoration needs, checked before anything starts."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync_ray.models import extras, gfpgan, parsing, weights
from lipsync_ray.restoration.faces import RestoreFiles
from lipsync_ray.settings import RestoreSettings


@dataclass(frozen=True)
class Restoration:
    """What restores: its name for the results, its files, and the sha256 of the network for fingerprints."""

    name: str
    files: RestoreFiles
    digest: str


def resolve(settings: RestoreSettings, progress: weights.Progress | None = None, fetch: bool = True) -> Restoration:
    """Find and check everything that the settings need; fetch it where `fetch` says so.

    Raises
    ------
    ModelError : the package that parses is not installed
    WeightsError, CheckpointError : what is missing or wrong, and what to do
    """
    if settings.mask == "parsing":
        extras.require("restore", "--restore-mask parsing")
    network = gfpgan.resolve(settings.model, progress, fetch)
    parsenet = parsing.resolve(progress, fetch) if settings.mask == "parsing" else None
    return Restoration(network.name, RestoreFiles(network, parsenet), network.sha256)
