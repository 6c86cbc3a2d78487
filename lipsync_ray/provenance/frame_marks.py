"""What goes into frames besides what a model draws: the mark in the pixels, and the label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache

from lipsync_ray.io import storage
from lipsync_ray.media import label as labels
from lipsync_ray.media import mark_code, watermark
from lipsync_ray.media.fonts import Font, font_for
from lipsync_ray.media.label import Label, draw_label, labelled, place_of
from lipsync_ray.media.picture import YuvFrame
from lipsync_ray.media.wordings import LabelText, tagged, wording_of
from lipsync_ray.provenance.mark_keys import MarkKey, key_of
from lipsync_ray.settings.marks import AUTO, MarkSettings

FOLDER = "labels"


@dataclass(frozen=True)
class PlacedLabel:
    """A label of a video.

    Attributes
    ----------
    url : of its picture
    x, y : of its upper left pixel
    until : the first frame that does not show it any more; None where all do
    text : that it says
    """

    url: str
    x: int
    y: int
    until: int | None
    text: str


@dataclass(frozen=True)
class FrameMarks:
    """What the frames of one video get.

    Attributes
    ----------
    key, ident : of the mark in the pixels; no key where there is none
    label : None where there is none
    """

    key: MarkKey | None = None
    ident: int = 0
    label: PlacedLabel | None = None

    def put(self, picture: YuvFrame, frame: int, drawn: bool) -> YuvFrame:
        """A frame as it goes to the encoder; the one that is given stays as it is.

        Parameters
        ----------
        frame : its number in the output
        drawn : whether anything was drawn in it, as only such frames are marked
        """
        if self.label is not None and (self.label.until is None or frame < self.label.until):
            picture = labelled(picture, _read_label(self.label.url), self.label.x, self.label.y)
        if self.key is not None and drawn:
            picture = watermark.marked(picture, self.key.secret(), self.ident)
        return picture


NO_MARKS = FrameMarks()


@lru_cache(maxsize=8)
def _read_label(url: str) -> Label:
    return Label.of_png(storage.read_bytes(url))


def mark_columns(marks: FrameMarks) -> dict[str, str | None]:
    """A finished row's columns of what is in its frames."""
    ident = None if marks.key is None else mark_code.id_text(marks.ident)
    return {"watermark": ident, "label": marks.label.text if marks.label is not None else None}


def id_of(row: str, fingerprint: str) -> str:
    """What the mark of a row says: ten hexadecimal digits, the same whenever the same row is made of the same."""
    return storage.digest("watermark", row, fingerprint)[: mark_code.ID_DIGITS]


@dataclass(frozen=True)
class FrameMarking:
    """How a run marks its frames: keys read and fonts found, before anything starts.

    Attributes
    ----------
    generated : videos are a computer's from the first pixel to the last, and say so
    committed : labels of the run that are there: what they look like → where
    """

    settings: MarkSettings = field(default_factory=MarkSettings)
    key: MarkKey | None = None
    generated: bool = False
    committed: dict[object, str] = field(default_factory=dict, repr=False, compare=False)

    def without_existing(self, watermarked: bool, labelled: bool, generated: bool) -> FrameMarking:
        """How a video is marked that has a mark, or a label, already: it keeps these, and gets no second one."""
        settings = replace(self.settings, label=None, label_seconds=5.0, label_corner="top-left", label_font=None)
        key = None if watermarked else self.key
        return FrameMarking(settings if labelled else self.settings, key, generated, self.committed)

    @property
    def files(self) -> tuple[str, ...]:
        """What every node has to see."""
        return (self.key.path,) if self.key is not None and self.key.path else ()

    def wording(self, language: str | None) -> LabelText:
        """A row's label, in its language where it is for us to say."""
        assert self.settings.label is not None
        if self.settings.label == AUTO:
            return wording_of(language, self.generated)
        return LabelText(self.settings.label, tagged(language) or "")

    def font(self, language: str | None) -> Font:
        """What a row's label is drawn with.

        Raises
        ------
        SettingsError : no font has its letters
        """
        return font_for(self.wording(language).text, self.settings.label_font)

    def identity(self, language: str | None) -> tuple[object, ...]:
        """All that decides what a row's frames get, for its fingerprint; nothing where they get nothing."""
        said: list[object] = []
        if self.key is not None:
            said += ["watermark", mark_code.VERSION, watermark.VERSION, self.key.digest]
        if self.settings.label is not None:
            wording, how = self.wording(language), self.settings
            said += ["label", labels.VERSION, wording.text, wording.language, self.font(language).sha256]
            said += [how.label_seconds, how.label_corner]
        return tuple(said)

    def label(
        self, language: str | None, width: int, height: int, aspect: Fraction, rate: Fraction, out: str
    ) -> PlacedLabel | None:
        """A row's label, drawn and committed to the run's folder.

        Parameters
        ----------
        width, height, aspect, rate : of the output
        out : the run's folder

        Raises
        ------
        SettingsError : its text is too long for the picture
        """
        if self.settings.label is None:
            return None
        wording, seconds = self.wording(language), self.settings.label_seconds
        width, height = width + width % 2, height + height % 2
        font = self.font(language)
        look = wording, font, width, height, aspect
        drawn = _drawn(*look)
        if (url := self.committed.get(look)) is None:
            data = drawn.png()
            url = self.committed[look] = storage.join(out, FOLDER, f"{storage.digest(data.hex())}.png")
            if not storage.exists(url):
                storage.commit_bytes(url, data)
        until = None if seconds is None else -int(-Fraction(seconds) * rate // 1)
        return PlacedLabel(url, *place_of(drawn, self.settings.label_corner, width, height), until, wording.text)

    def on(self, row: str, fingerprint: str, label: PlacedLabel | None) -> FrameMarks:
        """What the frames of a row get.

        Parameters
        ----------
        row : its id
        label : as :meth:`label` placed it
        """
        if self.key is None and label is None:
            return NO_MARKS
        return FrameMarks(self.key, int(id_of(row, fingerprint), 16), label)

    def notes(self, language: str | None, width: int, height: int) -> list[str]:
        """What a person should know of a row's marks."""
        said = []
        if self.key is not None and min(width, height) < watermark.LEAST_SIDE:
            said.append(
                f"its mark in the pixels may not be found again: the picture has {width}×{height} pixels, and one of "
                f"{watermark.LEAST_SIDE} or more either way keeps it when it is coded anew"
            )
        if self.settings.label == AUTO and self.wording(language).language != (tagged(language) or "en"):
            said.append(f"its label is in English: no words are known in {language}; --label TEXT says others")
        return said


@lru_cache(maxsize=64)
def _drawn(wording: LabelText, font: Font, width: int, height: int, aspect: Fraction) -> Label:
    return draw_label(wording.text, font, wording.language or None, width, height, aspect)


def frame_marking_of(settings: MarkSettings, languages: Iterable[str | None], generated: bool = False) -> FrameMarking:
    """How the settings mean frames to be marked; keys are read, and fonts found for every row.

    Parameters
    ----------
    languages : of the rows

    Raises
    ------
    SettingsError : a key that cannot be used, a text that no font here has the letters of
    """
    marking = FrameMarking(settings, key_of(settings.watermark_key) if settings.watermark else None, generated)
    if settings.label is not None:
        for language in sorted(set(languages), key=str):
            marking.font(language)
    return marking
