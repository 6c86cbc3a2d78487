"""Reads tensors of a checkpoint from any known container, without executing code in it.

Known containers are safetensors, TorchScript archives and torch pickles. Pickles may be nested (``state_dict`` or
``params_ema`` beside optimizer and counters) and have names prefixed ``module.``.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lipsync_ray.errors import CheckpointError, WeightsError
from lipsync_ray.models.weights import Checkpoint, by_name, refuse_html

Network = TypeVar("Network", bound=nn.Module)

_PREFIX = "module."
_NESTED = ("state_dict", "params_ema", "params")  # where Wav2Lip's and GFPGAN's trainers put the tensors
_LISTED = 3


def read_state(path: Path) -> dict[str, Tensor]:
    """Name → tensor on the CPU; floating-point tensors are converted to float32.

    Raises
    ------
    WeightsError : missing, a web page, or in none of the known containers
    """
    return {name: t.float() if t.is_floating_point() else t for name, t in read_entries(path, lazily=False).items()}


def read_entries(path: Path, lazily: bool = True) -> dict[str, Tensor]:
    """Name → tensor on the CPU, with the file's dtypes.

    Parameters
    ----------
    lazily : read values on first use if the file allows it; for comparing names and shapes

    Raises
    ------
    WeightsError : missing, a web page, or in none of the known containers
    """
    if not path.is_file():
        raise WeightsError(
            f"{path}: no such file. --model takes a registered name (lipsync-ray weights list) or a path."
        )
    refuse_html(path)
    state = _safetensors(path) if path.suffix == ".safetensors" else _torch(path, lazily)
    plain = {name.removeprefix(_PREFIX): tensor for name, tensor in state.items()}
    return {name: tensor.detach() for name, tensor in plain.items()}


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file: {error}") from error


def _torch(path: Path, lazily: bool) -> dict[str, Tensor]:
    if _is_torchscript(path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch.jit is deprecated; published files need it
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                return dict(torch.jit.load(str(path), map_location="cpu").state_dict())  # type: ignore[no-untyped-call]
            except RuntimeError as error:
                raise WeightsError(f"{path}: a damaged TorchScript archive: {error}") from error
    content = read_pickle(path, lazily)
    if isinstance(content, dict):
        content = next((content[name] for name in _NESTED if isinstance(content.get(name), dict)), content)
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(f"{path}: holds no state dict (a mapping of names to tensors)")
    return content


def read_pickle(path: Path, lazily: bool = False) -> Any:
    """Read a torch pickle with only tensors, numbers, strings and their containers.

    Parameters
    ----------
    lazily : see :func:`read_entries`

    Raises
    ------
    WeightsError : a web page, or not a readable pickle
    """
    refuse_html(path)
    try:
        # Old files also contain optimizer counters as numpy numbers.
        with torch.serialization.safe_globals(_numpy_numbers()), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # another pickle protocol: readable, or rejected below
            mapped = lazily and zipfile.is_zipfile(path)  # older formats cannot be memory-mapped
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"{path}: not a checkpoint that can be read safely ({reason}). Expected safetensors, a torch state dict, "
            "or a TorchScript archive."
        ) from error


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/", 1)[-1] == "constants.pkl" for name in archive.namelist())


def _numpy_numbers() -> list[Any]:
    import numpy as np

    return [
        np.dtype,
        np._core.multiarray.scalar,  # type: ignore[attr-defined]
        *(type(np.dtype(code)) for code in ("f8", "f4", "i8", "i4")),
    ]


def load_into(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load a state dict strictly.

    Raises
    ------
    CheckpointError : names what differs
    """
    compare(network, state, source)
    network.load_state_dict(state)


def filled(network: Any, state: dict[str, Tensor], source: str, device: torch.device, dtype: torch.dtype) -> Any:
    """Load weights into a network built on the "meta" device; return it ready for inference on `device`.

    Raises
    ------
    CheckpointError : names what differs
    """
    compare(network, state, source)
    # Copied one by one from a memory-mapped file: a billion parameters are in memory once, in their final type.
    numbers = {name: t.to(device, dtype if t.is_floating_point() else t.dtype, copy=True) for name, t in state.items()}
    network.load_state_dict(numbers, assign=True)
    # diffusers overrides `to` and warns about features that these networks lack.
    ready = nn.Module.to(network, memory_format=torch.channels_last)
    return ready.eval().requires_grad_(False)


def loaded(
    checkpoint: Checkpoint,
    build: Callable[[dict[str, Tensor], Path], nn.Module],
    device: torch.device,
    dtype: torch.dtype,
) -> Any:
    """Build the network of a checkpoint's file and load its weights as :func:`filled` does.

    Parameters
    ----------
    build : (entries, file) → the network, without weights

    Raises
    ------
    WeightsError, CheckpointError
    """
    path = checkpoint.here()
    state = read_entries(path)
    with torch.device("meta"):
        network = build(state, path)
    return filled(network, state, str(path), device, dtype)


def bundled(network: Network, name: str) -> Network:
    """Load a network's bundled weights of that registered name, for inference.

    Raises
    ------
    WeightsError, CheckpointError
    """
    path = by_name(name).here()
    load_into(network, read_state(path), str(path))
    return network.eval().requires_grad_(False)


def compare(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Check that a checkpoint has exactly a network's entry names and shapes.

    Raises
    ------
    CheckpointError : names what differs
    """
    own = network.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = sorted(name for name in own.keys() & state.keys() if own[name].shape != state[name].shape)
    if missing or extra or shapes:
        problems = [
            f"{len(names)} {what} ({', '.join(names[:_LISTED])}{', …' if len(names) > _LISTED else ''})"
            for what, names in (("missing", missing), ("not in the network", extra), ("of another shape", shapes))
            if names
        ]
        raise CheckpointError(f"{source}: not a checkpoint of {type(network).__name__}: entries " + "; ".join(problems))
