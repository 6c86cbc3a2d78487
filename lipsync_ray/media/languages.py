"""One code for what people, files and tools call the same language."""

from __future__ import annotations

import re
from functools import lru_cache

import langcodes

# Parts and neighbours of a language that tools do not tell apart
_SAME = {"nn": "no", "nb": "no", "cmn": "zh", "yue": "zh", "fil": "tl"}


@lru_cache(maxsize=4096)
def code_of(name: str) -> str:
    """ISO 639-1 (where there is none, 639-3) of a language: "ko" of "KO", "kor", "ko-KR", "Korean" and "한국어".

    A name that means no language is given back in lower case.
    """
    plain = name.strip().lower().replace("_", "-")
    first = plain.split("-")[0]
    if not re.fullmatch("[a-z]{2,3}", first) or not langcodes.tag_is_valid(first):
        try:
            first = str(langcodes.find(name.strip()).language)
        except LookupError:
            return plain
    code = str(langcodes.Language.get(langcodes.standardize_tag(first)).language)
    return _SAME.get(code, code)


def is_known(name: str) -> bool:
    """Whether the name means a language."""
    return langcodes.tag_is_valid(code_of(name)) and code_of(name) != "und"


def three_letters(name: str) -> str | None:
    """ISO 639-2 code of a language, as a track of an mp4 carries it; None of a name that means no language."""
    if not is_known(name):
        return None
    try:
        return str(langcodes.Language.get(code_of(name)).to_alpha3())
    except LookupError:
        return None
