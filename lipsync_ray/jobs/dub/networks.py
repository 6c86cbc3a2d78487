"""The networks that a dub's settings name: on this machine, checked, and fit for what else the settings say."""

from __future__ import annotations

from lipsync_ray.jobs.dub.methods.method import Networks
from lipsync_ray.jobs.dub.methods.registry import method_of
from lipsync_ray.models import generators, weights
from lipsync_ray.restoration.weights import resolve
from lipsync_ray.settings import DubSettings


def networks(settings: DubSettings, fetching: weights.Progress | None = None, fetch: bool = True) -> Networks:
    """The networks of settings.

    Parameters
    ----------
    fetch : whether weights have to be on this machine afterwards

    Raises
    ------
    WeightsError, CheckpointError, ModelError
    SettingsError : a setting that this model has no use for
    """
    checkpoint = generators.resolve(settings.model, fetching, fetch)
    generator = generators.spec_of(checkpoint)
    method = method_of(generator)
    method.check(settings, generator)
    restoration = resolve(settings.restore, fetching, fetch) if settings.restore else None
    helper = method.helper(settings, generator, checkpoint, fetching, fetch)
    return Networks(generator, checkpoint, restoration, helper)
