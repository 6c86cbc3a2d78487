"""One code for what people, files and tools call the same language, and the scripts that it is written in."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

import langcodes

# Parts and neighbours of a language that tools do not tell apart
_SAME = {"nn": "no", "nb": "no", "cmn": "zh", "yue": "zh", "fil": "tl"}
# Scripts by the first words of their letters' Unicode names
LATIN = "LATIN"
_SEVERAL = {
    "Kore": {"HANGUL", "CJK"},
    "Jpan": {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK"},
    "Hans": {"CJK", "BOPOMOFO"},
    "Hant": {"CJK", "BOPOMOFO"},
}
_LETTERS = 2  # of a script in a word: a single one may be a sign, such as π


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


def scripts_in(text: str) -> Counter[str]:
    """How many letters of a text are of each script, by the first words of their Unicode names: "LATIN", "HANGUL", …"""
    return Counter(unicodedata.name(sign, "?").split()[0] for sign in text if sign.isalpha())


def strange_scripts(text: str, language: str) -> tuple[str, ...]:
    """Scripts of a text's letters that its language is not written in, "Hangul" for one; Latin letters belong everywhere.

    Parameters
    ----------
    language : of the text. Beside Latin and East Asian ones, the script that the text has most of is taken for its own
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
