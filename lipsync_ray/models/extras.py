"""Checks that optional packages are installed, without importing them."""

from __future__ import annotations

from importlib.util import find_spec

from lipsync_ray.errors import ModelError

PACKAGES = {
    "musetalk": ("diffusers", "transformers"),
    "echomimic": ("diffusers", "transformers"),
    "restore": ("facexlib",),
}


def require(extra: str, what: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Parameters
    ----------
    what : what needs them, for the message

    Raises
    ------
    ModelError : names the missing packages and the command that installs them
    """
    missing = [name for name in PACKAGES[extra] if find_spec(name) is None]
    if missing:
        raise ModelError(
            f"{what} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed here: "
            f"pip install 'lipsync-ray[{extra}]', or uv sync --extra {extra}"
        )
