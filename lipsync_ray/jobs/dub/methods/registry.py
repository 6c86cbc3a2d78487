"""Which method a model draws by. Models and methods of others join by :func:`register`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_ray.errors import ModelError
from lipsync_ray.jobs.dub.methods.head import Head
from lipsync_ray.jobs.dub.methods.latent import Latent
from lipsync_ray.jobs.dub.methods.method import Method
from lipsync_ray.jobs.dub.methods.paste import Paste
from lipsync_ray.jobs.dub.methods.warp import Warp
from lipsync_ray.models.abilities import ABILITIES, Ability
from lipsync_ray.models.weights import Checkpoint

if TYPE_CHECKING:  # torch, which workers load as they need it
    from lipsync_ray.models.lip_sync import GeneratorSpec

METHODS: list[type[Method]] = [Paste, Latent, Warp, Head]


def method_of(spec: GeneratorSpec) -> type[Method]:
    """The method of a model.

    Raises
    ------
    ModelError : none of that name was registered
    """
    for method in METHODS:
        if method.name == spec.method:
            return method
    known = ", ".join(method.name for method in METHODS)
    raise ModelError(
        f"{spec.name} draws by the method {spec.method!r}; expected one of {known}, or one that `register` was told"
    )


def register(spec: GeneratorSpec, method: type[Method], file: Path, ability: Ability | None = None) -> None:
    """Add a model, and the way in which it draws, for this process; ``--model`` then takes its name. Again, it is replaced.

    Parameters
    ----------
    file : its weights, on a file system that all nodes share; of a model without weights the file of its code: what it holds
        is part of every fingerprint
    ability : what reports say of it

    Raises
    ------
    ModelError : its spec names another method
    """
    from lipsync_ray.models import generators

    if method.name != spec.method:
        raise ModelError(f"{spec.name}: its spec names the method {spec.method!r}, registered is {method.name!r}")
    METHODS[:] = [*(known for known in METHODS if known.name != method.name), method]
    generators.add(spec, replace(Checkpoint.of(file), name=spec.name))
    if ability is not None:
        ABILITIES[spec.name] = ability
