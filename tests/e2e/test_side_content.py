"""What a dub carries over of its source besides pictures and sound, as ffprobe shows it."""

import json
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import pytest
from certificates import write_signer
from clips import tone, write_audio
from material import random_gfpgan
from programs import program

import lipsync_ray
from lipsync_ray import DubSettings, EnhanceSettings, ProvenanceSettings, RestoreSettings, VideoCoding, Workers
from lipsync_ray.errors import SettingsError
from lipsync_ray.media.probe import probe_video
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


def texts_of(path, number):
    words = [program("ffmpeg"), "-v", "error", "-copyts", "-i", str(path), "-map", f"0:s:{number}", "-f", "srt", "-"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def tags_of(one):
    return {name.lower(): text for name, text in one.get("tags", {}).items()}


def dub(source, out, settings=None, sound=DATA / "en.ogg", **coding):
    settings = settings or DubSettings(model="warp", length="video", coding=VideoCoding(**coding))
    workers = Workers(engine="inline")
    (result,) = lipsync_ray.dub(source, sound, out, settings=settings, workers=workers, progress=False).results
    assert result.status == "done", result.error
    assert not any("carried over" in one for one in result.warnings), result.warnings
    return Path(result.output)


def check(path, ending, language="fra", ends_s=1.2):
    """That a result has all of the source."""
    found = probed(path)
    assert tags_of(found["format"])["title"] == "A film"
    assert tags_of(found["format"])["creation_time"] == CREATED
    chapters = [(float(one["start_time"]), float(one["end_time"]), one["tags"]["title"]) for one in found["chapters"]]
    assert chapters == [(0, 0.6, "one"), (0.6, pytest.approx(ends_s, abs=0.002), "two")]
    video = found["streams"][0]
    codes = [tags_of(one).get("timecode") for one in (found["format"], *found["streams"])]
    assert "01:00:00:10" in codes
    assert any(one.get("codec_tag_string") == "tmcd" for one in found["streams"]) == (ending in ("mp4", "mov"))
    assert "Camera A" in tags_of(video).values()
    subtitles = [one for one in found["streams"] if one["codec_type"] == "subtitle"]
    assert [one["codec_name"] for one in subtitles] == [CODECS[ending]] * 2
    assert [tags_of(one)["language"] for one in subtitles] == ["eng", language]
    assert "All of it" in tags_of(subtitles[0]).values()
    first, second = (texts_of(path, number) for number in (0, 1))
    assert "00:00:00,100 --> 00:00:00,500\nHello " in first
    assert f"00:00:00,600 --> 00:00:0{min(1.1, ends_s):.3f}\ntwo\nlines\n".replace(".", ",") in first
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
    out = dub(source(own, codec), tmp_path / f"out.{ending}")
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
    short = write_audio(tmp_path / "a.wav", tone(0.8))
    check(dub(source("mov", "mov_text"), tmp_path / "short.mkv", settings, short), "mkv", ends_s=0.8)


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
        ({"coding": VideoCoding(codec="h264", container="webm")}, "cannot hold H.264; .* or --codec av1"),
        (
            {"coding": VideoCoding(codec="av1", container="webm"), "provenance": ProvenanceSettings(kind="c2pa")},
            "expected --container mp4 or mov",
        ),
    ):
        with pytest.raises(SettingsError, match=message):
            DubSettings(**settings)


def test_a_signed_video_has_them(tmp_path, source):
    pytest.importorskip("c2pa", reason="needs the extra provenance (c2pa-python)")
    chain, key, _ = write_signer(tmp_path)
    signed = ProvenanceSettings(kind="c2pa", cert=str(chain), key=str(key))
    settings = DubSettings(model="warp", length="video", provenance=signed)
    out = dub(source("mov", "mov_text"), tmp_path / "out.mp4", settings)
    check(out, "mp4")
    assert b"jumdc2pa" in out.read_bytes()


def test_texts_of_lines_are_a_track_before_those_of_the_source(tmp_path, source):
    (tmp_path / "lines.csv").write_text(f"start,end,audio,text\n0.1,0.9,{DATA / 'en.ogg'},안녕\n")
    (tmp_path / "t.csv").write_text(f"id,video,cues,language\na,{source('mkv', 'subrip')},lines.csv,ko\n")
    settings, workers = DubSettings(model="warp"), Workers(engine="inline")
    (row,) = lipsync_ray.dub_table(
        tmp_path / "t.csv", tmp_path / "OUT", settings=settings, workers=workers, progress=False
    ).results
    assert row.status == "done", row.error
    subtitles = [one for one in probed(row.output)["streams"] if one["codec_type"] == "subtitle"]
    assert [one["tags"]["language"] for one in subtitles] == ["kor", "eng", "fre"]
    assert "안녕" in texts_of(row.output, 0)


def test_enhance_carries_them_over(tmp_path, source):
    """The markup of SubRip is not shown as text in an mp4."""
    restore = RestoreSettings(model=str(random_gfpgan(tmp_path / "narrow.pth", 0.0625)))
    ran = lipsync_ray.enhance(
        source("mkv", "subrip"),
        tmp_path / "OUT",
        settings=EnhanceSettings(restore=restore),
        workers=Workers(engine="inline"),
        progress=False,
    )
    (row,) = ran.results
    assert (row.status, row.warnings) == ("done", ()), row.error
    assert "<i>" not in check(Path(row.output), "mp4", "fre")


def test_what_is_neither_picture_nor_text_nor_sound_is_warned_of(tmp_path, source):
    path = tmp_path / "pictures.mkv"
    with av.open(str(source("mkv", "subrip"))) as before, av.open(str(path), "w") as container:
        video = container.add_stream_from_template(before.streams.video[0])
        subtitles = container.add_mux_stream("dvdsub")
        container.add_attachment("a.ttf", "font/ttf", b"font")
        container.add_attachment("cover.jpg", "image/jpeg", (DATA / "portrait.jpg").read_bytes())
        for packet in before.demux(video=0):
            if packet.pts is not None:
                packet.stream = video
                container.mux(packet)
        packet = av.Packet(b"\0\x08\0\x04\0\0\0\0")
        packet.pts = packet.dts = 100
        packet.duration, packet.time_base, packet.stream = 500, Fraction(1, 1000), subtitles
        container.mux(packet)
    notes = probe_video(str(path)).notes
    assert notes == (
        "not carried over: subtitles that are no text (1: dvdsub), cover pictures (1), attachments, such as fonts (1)",
    )
