"""Detects the language of a text with langdetect, if there is enough text."""

from __future__ import annotations

import re
from collections import Counter

from lipsync_ray.jobs.analyze.analysis import UNKNOWN, Guess
from lipsync_ray.media.languages import code_of, scripts_in

LEAST_LETTERS = 16  # with fewer, langdetect guesses: it takes "hola" for Welsh
LEAST_SIGNS = 8  # of a script in which a sign is a syllable or a word
LEAST_PROBABILITY = 0.7
_ADDRESS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+")
# First words of the Unicode names of letters in langdetect's profiles. It ignores all others, and may then be confident
# of any language, such as Estonian.
_DENSE = frozenset({"CJK", "HANGUL", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"})
_KNOWN = _DENSE | {
    "LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "TAMIL", "TELUGU",
    "KANNADA", "MALAYALAM", "THAI",
}  # fmt: skip
_OWN = {"ko": {"HANGUL"}, "ja": {"HIRAGANA", "KATAKANA"}}  # scripts that a text in the language must contain
_LEAST_SHARE = 0.5  # of the letters that are in scripts it knows


def detect(text: str) -> tuple[str, tuple[Guess, ...]]:
    """(language, all likely ones) of a text; ("unknown", ()) if it is too short, or in an unsupported script.

    The same text always gives the same answer: langdetect draws samples, and its seed is set.

    Parameters
    ----------
    text : to detect

    Returns
    -------
    ISO 639-1 code (zh-cn and zh-tw differ in the second part only), and probabilities that add up to about 1
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
    """Whether there are enough letters in supported scripts."""
    known = sum(count for script, count in scripts.items() if script in _KNOWN)
    dense = sum(count for script, count in scripts.items() if script in _DENSE)
    enough = known >= LEAST_LETTERS or dense >= LEAST_SIGNS
    return enough and known >= _LEAST_SHARE * scripts.total()
