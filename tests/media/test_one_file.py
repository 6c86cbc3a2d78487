"""Several dubs in one file: whose tracks are whose, what players choose, and that packets are the dubs' own."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from clips import barcode, read_barcode, tone, write_audio
from programs import streams

from lipsync_ray.errors import EncodeError
from lipsync_ray.media.audio import Span
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import CODECS
from lipsync_ray.media.encode import encode
from lipsync_ray.media.join import Part, join
from lipsync_ray.media.languages import title_of_language
from lipsync_ray.media.one_file import LanguageDub, join_languages
from lipsync_ray.media.picture import Colour, YuvFrame
from lipsync_ray.media.side_content import Chapter, SideContent, read_side_content
from lipsync_ray.media.sound_codecs import ABILITIES, codec_in
from lipsync_ray.media.sound_writers import AudioTrack
from lipsync_ray.media.subtitles import Subtitle, SubtitleTrack

RATE = Fraction(24000, 1001)
LANGUAGES = {"en": (0, 30), "es-MX": (100, 40), "Korean": (200, 25)}
CODES, TITLES = ["eng", "spa", "kor"], ["English", "Spanish (Mexico)", "Korean"]
ON_CPUS = [
    VideoCoding(codec=name, container=one) for name, spec in CODECS.items() if not spec.nvenc for one in spec.containers
]


def pictures(start, stop):
    grey = np.full((32, 64), 128, np.uint8)
    for index in range(start, stop):
        yield YuvFrame(barcode(index)[..., 0], grey, grey, Colour(1, 1, 1, 1))


def text(words, language, start=0):
    return SubtitleTrack((Subtitle(Fraction(start), Fraction(start + 1, 2), words),), language)


def write_dubs(folder, coding, lines=True, kept=0, sound_codec=None):
    """A dub in each language, whose frames say which they are; with two tracks of subtitles of the source."""
    folder.mkdir(exist_ok=True)
    dubs = []
    for number, (language, (first, count)) in enumerate(LANGUAGES.items()):
        sound = write_audio(folder / f"{language}.wav", tone(count / float(RATE), hertz=200.0 * (number + 1)))
        codec = codec_in(coding.container, sound_codec)
        track = AudioTrack(str(sound), Span(0, 10**9), count / RATE, language, codec)
        more = [replace(track, language="fra", title="Original")] * kept
        cuts = pairwise((0, 11, 12, count))
        parts = [
            Part(a, lambda a=a, b=b, first=first: encode(pictures(first + a, first + b), RATE, Fraction(1), coding))
            for a, b in cuts
        ]
        own = [text(f"line in {language}", CODES[number])] if lines else []
        side = SideContent(
            "A film", "Camera A", "2020-02-03T04:05:06.000000Z", "10:00:00:02",
            (Chapter(Fraction(0), count / RATE, "all"),),
            (*own, text(f"source under {language}", "fra"), text("signs", "deu", start=0)),
        )  # fmt: skip
        path = folder / f"{language}.{coding.container}"
        join(parts, RATE, track, path, "made of parts", side, more)
        dubs.append(LanguageDub(path, language, RATE, count, lines))
    return dubs


def packets(path, kind, number):
    """(content, presentation time, decoding time, key) of the packets of a track."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[number]
        return [
            (bytes(one), one.pts * one.time_base, one.dts * one.time_base, one.is_keyframe)
            for one in container.demux(stream)
            if one.pts is not None and one.dts is not None
        ]


@pytest.mark.parametrize("coding", ON_CPUS, ids=lambda one: f"{one.codec}-{one.container}")
def test_every_track_has_the_packets_of_its_dub(tmp_path, coding):
    dubs = write_dubs(tmp_path / "dubs", coding)
    out = tmp_path / f"out.{coding.container}"
    join_languages(dubs, out, "several dubs")
    for number, dub in enumerate(dubs):
        for kind in ("video", "audio"):
            assert packets(out, kind, number) == packets(dub.path, kind, 0)
    with av.open(str(out)) as container:
        assert container.metadata.get("comment", container.metadata.get("COMMENT")) == "several dubs"
        first = [read_barcode(frame.reformat(format="gray").to_ndarray()) for frame in container.decode(video=0)]
    assert first == list(range(30))
    again = tmp_path / f"again.{coding.container}"
    join_languages(dubs, again, "several dubs")
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ("container", "codec"),
    [(name, codec) for name, one in ABILITIES.items() for codec in sorted(one.encoded - {"aac"})],
)
def test_every_sound_that_a_container_holds_is_copied(tmp_path, container, codec):
    dubs = write_dubs(tmp_path / "dubs", VideoCoding(container=container), sound_codec=codec)
    out = tmp_path / f"out.{container}"
    join_languages(dubs, out)
    for number, dub in enumerate(dubs):
        assert packets(out, "audio", number) == packets(dub.path, "audio", 0)


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "webm"])
def test_programs_see_pairs_of_which_the_first_is_chosen(tmp_path, container):
    dubs = write_dubs(tmp_path / "dubs", VideoCoding(container=container), kept=container != "webm")
    out = tmp_path / f"out.{container}"
    join_languages(dubs, out)
    shown = [one for one in streams(out) if one["codec_type"] in ("video", "audio")]
    kinds = [one["codec_type"] for one in shown]
    kept = ["audio"] * (container != "webm")
    assert kinds == ["video", "audio"] * 3 + kept
    tags = [{name.lower(): value for name, value in one["tags"].items()} for one in shown]
    assert [one["language"] for one in tags] == [code for code in CODES for _ in range(2)] + ["fra"] * len(kept)
    titles = [one.get("title", one.get("handler_name")) for one in tags]
    assert titles[:6:2] == [f"{title}, Camera A" for title in TITLES]
    assert titles[1:6:2] == TITLES
    assert titles[6:] == ["Original"] * len(kept)
    assert [one["disposition"]["default"] for one in shown] == [1, 1, 0, 0, 0, 0] + [0] * len(kept)
    assert {one["r_frame_rate"] for one in shown if one["codec_type"] == "video"} == {str(RATE)}
    own = [[one["start_time"] for one in streams(dub.path)[:2]] for dub in dubs]
    assert [one["start_time"] for one in shown][:6] == [start for pair in own for start in pair]


@pytest.mark.parametrize("lines", [False, True])
def test_subtitles_are_each_dubs_own_and_once_those_of_the_source(tmp_path, lines):
    """What is of the source is that of the longest dub."""
    dubs = write_dubs(tmp_path / "dubs", VideoCoding(container="mp4"), lines)
    join_languages(dubs, tmp_path / "out.mp4")
    side = read_side_content(str(tmp_path / "out.mp4"), RATE)
    own = [f"line in {language}" for language in LANGUAGES] if lines else []
    assert [track.texts[0].text for track in side.subtitles] == [*own, "source under es-MX", "signs"]
    assert [track.language for track in side.subtitles] == [*CODES[: len(own)], "fra", "deu"]
    assert (side.title, side.time_code) == ("A film", "10:00:00:02")
    assert [one.title for one in side.chapters] == ["all"]
    assert float(side.chapters[0].end_s) == pytest.approx(40 / RATE, abs=0.001)


def test_tracks_of_pictures_of_an_mp4_are_alternatives_of_which_one_is_enabled(tmp_path):
    dubs = write_dubs(tmp_path / "dubs", VideoCoding(container="mp4"))
    join_languages(dubs, tmp_path / "out.mp4")
    data = (tmp_path / "out.mp4").read_bytes()
    found = []
    at = data.find(b"tkhd")
    while at >= 0:
        handler = data[data.find(b"hdlr", at) + 12 :][:4]
        group = int.from_bytes(data[at + 4 + 34 : at + 4 + 36], "big")
        found.append((handler, group, data[at + 7] & 1))
        at = data.find(b"tkhd", at + 4)
    assert [one for one in found if one[0] == b"vide"] == [(b"vide", 4, 1), (b"vide", 4, 0), (b"vide", 4, 0)]
    assert [one for one in found if one[0] == b"soun"] == [(b"soun", 1, 1), (b"soun", 1, 0), (b"soun", 1, 0)]


def test_a_dub_that_is_not_as_its_record_says_is_refused(tmp_path):
    dubs = write_dubs(tmp_path / "dubs", VideoCoding(container="mp4"))
    dubs[1] = replace(dubs[1], frames=41)
    with pytest.raises(EncodeError, match=r"es-MX.mp4: 40 frames in it, 41 in its record"):
        join_languages(dubs, tmp_path / "out.mp4")


@pytest.mark.parametrize(
    ("name", "title"),
    [("es", "Spanish"), ("es_MX", "Spanish (Mexico)"), ("KO", "Korean"), ("한국어", "Korean"), ("zh-Hant", "Chinese (Traditional)"), ("??", "??")],
)  # fmt: skip
def test_a_language_has_a_title(name, title):
    assert title_of_language(name) == title
