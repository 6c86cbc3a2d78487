"""Language codes for the names that people, files and tools use, and scripts of languages."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

import langcodes

# Variants and related languages that tools do not distinguish
_SAME = {"nn": "no", "nb": "no", "cmn": "zh", "yue": "zh", "fil": "tl"}
# Scripts by the first words of their letters' Unicode names
LATIN = "LATIN"
_SEVERAL = {
    "Kore": {"HANGUL", "CJK"},
    "Jpan": {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK"},
    "Hans": {"CJK", "BOPOMOFO"},
    "Hant": {"CJK", "BOPOMOFO"},
}
_LETTERS = 2  # of a script in a word: a single letter may be a symbol, such as π


@lru_cache(maxsize=4096)
def code_of(name: str) -> str:
    """ISO 639-1 (where there is none, 639-3) of a language: "ko" of "KO", "kor", "ko-KR", "Korean" and "한국어".

    An unknown name is returned in lower case.
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
    """Whether the name is that of a language."""
    return langcodes.tag_is_valid(code_of(name)) and code_of(name) != "und"


def three_letters(name: str) -> str | None:
    """ISO 639-2 code of a language, for an mp4 track; None if the name is unknown."""
    if not is_known(name):
        return None
    try:
        return str(langcodes.Language.get(code_of(name)).to_alpha3())
    except LookupError:
        return None


def title_of_language(name: str) -> str:
    """English name of a language, with script and region where they are written: "Spanish (Mexico)" of "es-MX"."""
    plain = name.strip().replace("_", "-")
    try:
        tag = langcodes.standardize_tag(plain if langcodes.tag_is_valid(plain) else code_of(name))
        return langcodes.Language.get(tag).display_name()
    except (LookupError, ValueError):
        return name.strip()


def scripts_in(text: str) -> Counter[str]:
    """Count a text's letters by script, by the first words of their Unicode names: "LATIN", "HANGUL", …"""
    return Counter(unicodedata.name(sign, "?").split()[0] for sign in text if sign.isalpha())


def strange_scripts(text: str, language: str) -> tuple[str, ...]:
    """Scripts in a text that its language does not use, such as "Hangul"; Latin letters are always allowed.

    Parameters
    ----------
    language : of the text. Except for Latin and East Asian scripts, the text's most frequent script counts as its own
    """
    text = unicodedata.normalize("NFKC", text)
    found = scripts_in(text)
    del found[LATIN]
    script = langcodes.Language.get(code_of(language)).maximize().script if is_known(language) else None
    if script == "Latn":
        own: set[str] = set()
    else:
        own = _SEVERAL.get(script or "", {name for name, _ in found.most_common(1)})
    in_words = {name for word in text.split() for name, count in scripts_in(word).items() if count >= _LETTERS}
    return tuple(sorted(name.capitalize() for name in in_words & set(found) - own))
