"""Which method a model draws by; others join by :func:`register`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipsync_ray.jobs.dub.methods.head import Head
from lipsync_ray.jobs.dub.methods.latent import Latent
from lipsync_ray.jobs.dub.methods.method import Method
from lipsync_ray.jobs.dub.methods.paste import Paste
from lipsync_ray.jobs.dub.methods.warp import Warp

if TYPE_CHECKING:
    from lipsync_ray.models.lip_sync import GeneratorSpec

METHODS: list[type[Method]] = [Paste, Latent, Warp, Head]


def method_of(spec: GeneratorSpec) -> type[Method]:
    """The method of a model."""
    return next(method for method in METHODS if method.name == spec.method)
