"""Which language a text is in, by langdetect, where it can know."""

from __future__ import annotations

import re
from collections import Counter

from lipsync_ray.jobs.analyze.analysis import UNKNOWN, Guess
from lipsync_ray.media.languages import code_of, scripts_in

LEAST_LETTERS = 16  # below, langdetect guesses: "hola" is Welsh to it
LEAST_SIGNS = 8  # of a script in which a sign is a syllable or a word
LEAST_PROBABILITY = 0.7
_ADDRESS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+")
# First words of the Unicode names of letters that langdetect has profiles of; of all others it sees nothing, and then
# is as sure of Estonian as of anything.
_DENSE = frozenset({"CJK", "HANGUL", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"})
_KNOWN = _DENSE | {
    "LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "TAMIL", "TELUGU",
    "KANNADA", "MALAYALAM", "THAI",
}  # fmt: skip
_OWN = {"ko": {"HANGUL"}, "ja": {"HIRAGANA", "KATAKANA"}}  # without these a text is not in that language
_LEAST_SHARE = 0.5  # of the letters that are in scripts it knows


def detect(text: str) -> tuple[str, tuple[Guess, ...]]:
    """(language, all that are likely) of a text; "unknown" and none where it says too little, or in another script.

    The same text always gives the same answer: langdetect draws samples, and its seed is set.

    Parameters
    ----------
    text : as it was said

    Returns
    -------
    ISO 639-1 code (zh-cn and zh-tw are told apart in the second part only), and probabilities that add up to about 1
    """
    from langdetect import DetectorFactory, detect_langs
    from langdetect.lang_detect_exception import LangDetectException

    plain = _ADDRESS.sub(" ", text).lower()  # capitals alone mislead it
    scripts = scripts_in(plain)
    if not _can_judge(scripts):
        return UNKNOWN, ()
    DetectorFactory.seed = 0
    try:
        found = detect_langs(plain)
    except LangDetectException:
        return UNKNOWN, ()
    guesses = tuple(Guess(str(guess.lang), float(guess.prob)) for guess in found)
    best = guesses[0]
    language = code_of(best.language)
    believed = best.probability >= LEAST_PROBABILITY and (
        language not in _OWN or not _OWN[language].isdisjoint(scripts)
    )
    return language if believed else UNKNOWN, guesses


def _can_judge(scripts: Counter[str]) -> bool:
    """Whether there are enough letters, in scripts that are known."""
    known = sum(count for script, count in scripts.items() if script in _KNOWN)
    dense = sum(count for script, count in scripts.items() if script in _DENSE)
    enough = known >= LEAST_LETTERS or dense >= LEAST_SIGNS
    return enough and known >= _LEAST_SHARE * scripts.total()
