"""Find a font that has a text's letters. One without them would draw boxes."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lipsync_ray.errors import SettingsError

PACKAGES = "apt-get install fonts-noto-core fonts-noto-cjk"
_FIRST = (
    "notosans-regular",
    "notosans",
    "droidsansfallback",
    "dejavusans",
)  # families for all that is written, by file name
_LAST = (
    "italic",
    "oblique",
    "mono",
    "serif",
    "bold",
    "black",
    "thin",
    "light",
    "condensed",
    "symbols",
    "emoji",
    "display",
)
_SIMPLE = 0x0300  # letters below it are drawn one after another, with no rule between them


@dataclass(frozen=True)
class Font:
    """A font file and its sha256, which names what it draws."""

    path: str
    sha256: str


@lru_cache(maxsize=256)
def font_for(text: str, file: str | None = None) -> Font:
    """A font with all letters of a text.

    Parameters
    ----------
    file : this one

    Raises
    ------
    SettingsError : there is none; or nothing here that puts the letters of such a script in order
    """
    _check_shaping(text)
    signs = frozenset(letters(text))
    if file is not None:
        if not Path(file).is_file():
            raise SettingsError(f"--label-font {file}: no such file; expected a .ttf, .otf or .ttc file")
        missing = signs - _signs_of(file)
        if missing:
            raise SettingsError(f"--label-font {file}: it has no {_named(missing)}, which “{text}” is written with")
        return _font(file)
    for path in (_own(), *_installed()):
        if signs <= _signs_of(path):
            return _font(path)
    missing = signs - _signs_of(_own())
    raise SettingsError(
        f"--label “{text}”: no one font here has all of its letters, such as {_named(missing)}. Install one (Debian, Ubuntu: "
        f"{PACKAGES}), or name it with --label-font"
    )


def letters(text: str) -> Iterable[str]:
    """The signs of a text that are drawn: no blanks, and none that only say how others are joined or ordered."""
    return (
        sign for sign in unicodedata.normalize("NFC", text) if not sign.isspace() and unicodedata.category(sign) != "Cf"
    )


def _named(signs: frozenset[str]) -> str:
    return ", ".join(f"“{sign}” (U+{ord(sign):04X})" for sign in sorted(signs)[:3])


def _check_shaping(text: str) -> None:
    """Whether letters can be joined and ordered as their script asks: by Raqm, which Pillow brings, and FriBidi, which it loads."""
    if all(ord(sign) < _SIMPLE for sign in text):
        return
    from PIL import features

    if not features.check("raqm"):
        raise SettingsError(
            f"--label “{text}”: Pillow is built without Raqm here, which joins the letters of such a script; install Pillow's own wheel"
        )
    if not features.check("fribidi"):
        raise SettingsError(
            f"--label “{text}”: the library FriBidi is missing, which orders the letters of such a script. Install it (Debian, "
            "Ubuntu: apt-get install libfribidi0)"
        )


def _own() -> str:
    """DejaVu Sans, as Matplotlib brings it: Latin, Greek, Cyrillic, Arabic, Hebrew, the same everywhere."""
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    """Fonts of this machine, those first that are made for texts of any script, and are plain."""
    from matplotlib.font_manager import findSystemFonts

    def rank(path: Path) -> tuple[int, int, str, str]:
        name = path.name.lower()
        family = next((n for n, first in enumerate(_FIRST) if name.startswith(first)), len(_FIRST))
        return sum(word in name for word in _LAST), family, name, str(path)

    return tuple(str(path) for path in sorted(map(Path, findSystemFonts()), key=rank))


@lru_cache(maxsize=512)
def _signs_of(path: str) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):  # no font, or one of a kind that FreeType does not read
        return frozenset()


@lru_cache(maxsize=64)
def _font(path: str) -> Font:
    return Font(path, hashlib.sha256(Path(path).read_bytes()).hexdigest())
