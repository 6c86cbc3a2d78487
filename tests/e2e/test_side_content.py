"""What a dub carries over of its source besides pictures and sound, as ffprobe shows it."""

import json
import subprocess
from pathlib import Path

import pytest
from programs import program

import lipsync_ray
from lipsync_ray import DubSettings, ProvenanceSettings, VideoCoding, Workers
from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.sound import SoundSettings

DATA = Path(lipsync_ray.__file__).parent / "demo" / "data"
SECONDS = "1.2"
CREATED = "2020-02-03T04:05:06.000000Z"
CODECS = {"mp4": "mov_text", "mov": "mov_text", "mkv": "subrip", "webm": "webvtt"}
ENGLISH = "1\n00:00:00,100 --> 00:00:00,500\nHello <i>you</i>\n\n2\n00:00:00,600 --> 00:00:01,100\ntwo\nlines\n"
FRENCH = "1\n00:00:00,200 --> 00:00:00,700\nBonjour\n"
CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=600
title=one
[CHAPTER]
TIMEBASE=1/1000
START=600
END=1200
title=two
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Returns the URL of a source of an ending, whose subtitles have a codec."""
    folder = tmp_path_factory.mktemp("sources")
    for name, text in (("en.srt", ENGLISH), ("fr.srt", FRENCH), ("chapters.txt", CHAPTERS)):
        (folder / name).write_text(text)

    def make(ending, codec):
        path = folder / f"{codec}.{ending}"
        if not path.exists():
            inputs = ["-loop", "1", "-framerate", "25", "-t", SECONDS, "-i", DATA / "portrait.jpg"]
            for name in ("en.srt", "fr.srt", "chapters.txt"):
                inputs += ["-i", folder / name]
            maps = ["-map", "0", "-map", "1", "-map", "2", "-map_metadata", "3", "-map_chapters", "3"]
            tags = ["-metadata", "title=A film", "-metadata", f"creation_time={CREATED}", "-timecode", "01:00:00:10"]
            tags += ["-metadata:s:v", "title=Camera A", "-metadata:s:s:0", "title=All of it"]
            tags += ["-metadata:s:s:0", "language=eng", "-metadata:s:s:1", f"language={french(ending)}"]
            coded = ["-vf", "scale=256:-2,crop=256:256:0:0,format=yuv420p", "-c:v", "libx264", "-c:s", codec]
            words = [program("ffmpeg"), "-v", "error", *inputs, *maps, *coded, *tags, "-t", SECONDS, path]
            subprocess.run(list(map(str, words)), check=True)
        return path

    return make


def french(ending):
    """The code that a container has for French: FFmpeg's table for QuickTime has only one of the two."""
    return "fra" if ending == "mov" else "fre"


def probed(path):
    words = [program("ffprobe"), "-v", "error", "-show_streams", "-show_format", "-show_chapters", "-of", "json"]
    return json.loads(subprocess.run([*words, str(path)], capture_output=True, check=True).stdout)


def shown_texts(path, number):
    words = [program("ffmpeg"), "-v", "error", "-copyts", "-i", str(path), "-map", f"0:s:{number}", "-f", "srt", "-"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def tags_of(one):
    return {name.lower(): text for name, text in one.get("tags", {}).items()}


def dub(source, out, settings=None, **coding):
    settings = settings or DubSettings(model="warp", length="video", coding=VideoCoding(**coding))
    workers = Workers(engine="inline")
    (result,) = lipsync_ray.dub(
        source, DATA / "en.ogg", out, settings=settings, workers=workers, progress=False
    ).results
    assert result.status == "done", result.error
    assert not any("carried over" in one for one in result.warnings), result.warnings
    return Path(result.output)


def check(path, ending, language="fra"):
    """That a result has all of the source."""
    found = probed(path)
    assert tags_of(found["format"])["title"] == "A film"
    assert tags_of(found["format"])["creation_time"] == CREATED
    chapters = [(float(one["start_time"]), float(one["end_time"]), one["tags"]["title"]) for one in found["chapters"]]
    assert chapters == [(0, 0.6, "one"), (0.6, pytest.approx(1.2, abs=0.002), "two")]
    video = found["streams"][0]
    codes = [tags_of(one).get("timecode") for one in (found["format"], *found["streams"])]
    assert "01:00:00:10" in codes
    assert any(one.get("codec_tag_string") == "tmcd" for one in found["streams"]) == (ending in ("mp4", "mov"))
    assert "Camera A" in tags_of(video).values()
    subtitles = [one for one in found["streams"] if one["codec_type"] == "subtitle"]
    assert [one["codec_name"] for one in subtitles] == [CODECS[ending]] * 2
    assert [tags_of(one)["language"] for one in subtitles] == ["eng", language]
    assert "All of it" in tags_of(subtitles[0]).values()
    first, second = (shown_texts(path, number) for number in (0, 1))
    assert "00:00:00,100 --> 00:00:00,500\nHello " in first
    assert "00:00:00,600 --> 00:00:01,100\ntwo\nlines\n" in first
    assert "00:00:00,200 --> 00:00:00,700\nBonjour\n" in second
    return first


@pytest.mark.parametrize(
    ("own", "codec", "ending"),
    [
        ("mov", "mov_text", "mp4"),
        ("mkv", "ass", "mov"),
        ("mov", "mov_text", "mkv"),
        ("mkv", "subrip", "mkv"),
        ("mkv", "subrip", "webm"),
    ],
)
def test_titles_times_chapters_and_subtitles_are_carried_over(tmp_path, source, own, codec, ending):
    out = dub(source(own, codec), tmp_path / f"out.{ending}", codec="av1" if ending == "webm" else "h264")
    first = check(out, ending, french("mov" if "mov" in (own, ending) else ending))
    assert ("<i>you</i>" in first) == (codec != "mov_text" and ending in ("mkv", "webm"))
    if ending == "webm":
        assert {one["codec_name"] for one in probed(out)["streams"]} == {"av1", "opus", "webvtt"}
    if (own, ending) == ("mov", "mp4"):
        again = dub(source(own, codec), tmp_path / "again.mp4")
        assert again.read_bytes() == out.read_bytes()


def test_chapters_and_subtitles_end_with_the_first_showing(tmp_path, source):
    settings = DubSettings(model="warp", length="audio")  # the sound is longer: pictures are shown again
    out = dub(source("mov", "mov_text"), tmp_path / "out.mp4", settings)
    check(out, "mp4")
    assert float(probed(out)["format"]["duration"]) > 2


@pytest.mark.parametrize("ending", ["mp4", "webm"])
def test_a_result_that_is_marked_or_joined_again_keeps_them(tmp_path, source, ending):
    coding = VideoCoding(codec="av1" if ending == "webm" else "h264", container=ending)
    (tmp_path / "t.csv").write_text(f"id,video,audio\na,{source('mov', 'mov_text')},{DATA / 'en.ogg'}\n")
    for more in (
        {},
        {"provenance": ProvenanceSettings(kind="none")},
        {"sound": SoundSettings(loudness=-23.0)},
    ):
        settings = DubSettings(model="warp", length="video", coding=coding, **more)
        workers = Workers(engine="inline")
        ran = lipsync_ray.dub_table(
            tmp_path / "t.csv", tmp_path / "OUT", settings=settings, workers=workers, progress=False
        )
        assert ran.results[0].status == "done", ran.results[0].error
        check(tmp_path / f"OUT/videos/a.{ending}", ending)


def test_what_webm_cannot_hold_is_refused_with_what_would_work():
    for settings, message in (
        ({"coding": VideoCoding(container="webm")}, "cannot hold H.264; .* or --codec av1"),
        (
            {"coding": VideoCoding(codec="av1", container="webm"), "sound": SoundSettings(codec="aac")},
            "--audio-codec aac: .webm takes opus",
        ),
        (
            {"coding": VideoCoding(codec="av1", container="webm"), "provenance": ProvenanceSettings(kind="c2pa")},
            "expected --container mp4 or mov",
        ),
    ):
        with pytest.raises(SettingsError, match=message):
            DubSettings(**settings)
