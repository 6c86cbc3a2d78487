"""Finds a font with all glyphs of a text; without them, boxes would be drawn."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lipsync_ray.errors import SettingsError

PACKAGES = "apt-get install fonts-noto-core fonts-noto-cjk"
# Families for all that is written, by file name
_FIRST = "notosans-regular", "notosans", "droidsansfallback", "dejavusans"
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
_SIMPLE = 0x0300  # below this code point, letters need no shaping: they are drawn one after another


@dataclass(frozen=True)
class Font:
    """A font file and its sha256, which identifies its glyphs."""

    path: str
    sha256: str


@lru_cache(maxsize=256)
def font_for(text: str, file: str | None = None) -> Font:
    """Find a font with all letters of a text.

    Parameters
    ----------
    file : font file to use; by default, search the bundled and installed fonts

    Raises
    ------
    SettingsError : no such font, or no library that can shape the text's script
    """
    _check_shaping(text)
    signs = frozenset(letters(text))
    if file is not None:
        if not Path(file).is_file():
            raise SettingsError(f"--label-font {file}: no such file; expected a .ttf, .otf or .ttc file")
        missing = signs - _signs_of(file)
        if missing:
            raise SettingsError(f"--label-font {file}: it lacks {_named(missing)}, which “{text}” needs")
        return _font(file)
    for path in (_own(), *_installed()):
        if signs <= _signs_of(path):
            return _font(path)
    missing = signs - _signs_of(_own())
    raise SettingsError(
        f"--label “{text}”: no single font here has all of its letters, such as {_named(missing)}. Install one (Debian, Ubuntu: "
        f"{PACKAGES}), or name it with --label-font"
    )


def letters(text: str) -> Iterable[str]:
    """The characters of a text that are drawn, without spaces and joining or direction marks."""
    return (
        sign for sign in unicodedata.normalize("NFC", text) if not sign.isspace() and unicodedata.category(sign) != "Cf"
    )


def _named(signs: frozenset[str]) -> str:
    return ", ".join(f"“{sign}” (U+{ord(sign):04X})" for sign in sorted(signs)[:3])


def _check_shaping(text: str) -> None:
    """Check that the text's script can be shaped: by Raqm, bundled with Pillow, and FriBidi, which it loads.

    Raises
    ------
    SettingsError : one of them is missing
    """
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
    """DejaVu Sans, bundled with Matplotlib (Latin, Greek, Cyrillic, Arabic, Hebrew): the same on all machines."""
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    """Installed fonts, plain ones for many scripts first."""
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
    except (OSError, RuntimeError):  # not a font, or a format that FreeType cannot read
        return frozenset()


@lru_cache(maxsize=64)
def _font(path: str) -> Font:
    return Font(path, hashlib.sha256(Path(path).read_bytes()).hexdigest())
