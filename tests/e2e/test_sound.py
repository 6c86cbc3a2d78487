"""Dubs with a background, a loudness, and the source's own tracks: what programs see, and what another option costs."""

import csv
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import tone, write_audio
from commands import frame_digests, lipsync_ray
from programs import ebur128, streams

from lipsync_ray.io import storage
from lipsync_ray.io.results import read_results
from lipsync_ray.io.run_contents import kind_of
from lipsync_ray.jobs.evaluate.evaluation_input import _voice_of, read_inputs
from lipsync_ray.jobs.evaluate.scores import SCORES
from lipsync_ray.media import audio
from lipsync_ray.media.audio import SoundTrack, Span
from lipsync_ray.media.join import Part, join
from lipsync_ray.media.sound_writers import AudioTrack
from lipsync_ray.media.soundtrack import NOTE

WAYS = ("--model", "warp", "--length", "video")
SOUND = ("--duck", "12", "--loudness", "-16", "--keep-audio", "--voice-channel", "center")
WITHOUT_TRACK = (f"{NOTE}--keep-audio: the source has no audio track",)
HERTZ = (200, 300, 400, 50, 500, 600)


def with_sound(video, sound, path, codec="aac", seconds=4):
    track = AudioTrack(SoundTrack(str(sound)), Span(0, 10**9), Fraction(seconds), "fr", codec, "Musique")
    join([Part(0, lambda: video)], Fraction(25), track, path)
    return path


@pytest.fixture(scope="module")
def folder(demo_inputs, tmp_path_factory):
    """A table of dubs: a source with music, one in 5.1, music from a file that ends early, none, and a source without sound."""
    out = tmp_path_factory.mktemp("sound")
    video = demo_inputs / "pan.mp4"
    music = write_audio(out / "music.wav", 0.2 * np.stack([tone(4, 44_100, 220), tone(4, 44_100, 330)]), 44_100)
    wide = write_audio(out / "wide.wav", np.stack([0.1 * tone(4, 48_000, one) for one in HERTZ]), 48_000)
    write_audio(out / "short.wav", 0.2 * tone(2.5, 8_000), 8_000)
    with_sound(video, music, out / "source.mp4")
    with av.open(str(out / "wide.mkv"), "w") as container, av.open(str(video)) as pictures, av.open(str(wide)) as sound:
        into = [container.add_stream_from_template(one.streams[0]) for one in (pictures, sound)]
        into[1].metadata.update(language="deu", title="Mehrkanal")
        for one, stream in zip((pictures, sound), into, strict=True):
            for packet in one.demux(one.streams[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    container.mux(packet)
    rows = [
        ("id", "video", "audio", "language", "background"),
        ("source", "source.mp4", demo_inputs / "en.ogg", "en", "source"),
        ("wide", "wide.mkv", demo_inputs / "es.ogg", "es", "source"),
        ("file", video, demo_inputs / "ko.ogg", "ko", "short.wav"),
        ("none", video, demo_inputs / "en.ogg", "en", "none"),
        ("silent", video, demo_inputs / "en.ogg", "en", ""),
    ]
    with (out / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return out


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "OUT"
    lipsync_ray("dub", folder / "table.csv", "-o", out, *WAYS, *SOUND, "--background", "source")
    return out


def rows_of(out):
    return {row.id: row for row in read_results(str(out))}


def packets(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.dts is not None]


def test_a_source_without_sound_fails_its_row_alone(made):
    rows = rows_of(made)
    assert {name: row.status for name, row in rows.items()} == {
        "source": "done", "wide": "done", "file": "done", "none": "done", "silent": "failed"
    }  # fmt: skip
    assert rows["silent"].stage == "background"
    assert "pan.mp4: --background source, but it has no sound" in rows["silent"].error
    assert rows["none"].background is None
    assert not rows["source"].warnings or all("channels" in note for note in rows["source"].warnings)


@pytest.mark.parametrize("name", ["source", "wide", "file"])
def test_loudness_and_true_peak_are_those_asked_for(made, name):
    row = rows_of(made)[name]
    loudness, peak = ebur128(row.output)
    assert loudness == pytest.approx(-16, abs=0.3)
    assert peak <= -0.9
    assert row.loudness_lufs == pytest.approx(loudness, abs=0.1)
    assert row.true_peak_db <= -0.9


def test_tracks_are_those_that_programs_expect(made):
    rows = rows_of(made)
    video, dubbed, own = streams(rows["source"].output)
    assert [one["codec_name"] for one in (video, dubbed, own)] == ["h264", "aac", "aac"]
    assert (dubbed["tags"]["language"], dubbed["disposition"]["default"], dubbed["channels"]) == ("eng", 1, 2)
    assert (own["tags"]["language"], own["tags"]["handler_name"]) == ("fra", "Musique")
    assert own["disposition"]["default"] == 0
    for one in (video, dubbed, own):
        assert float(one["start_time"]) == 0
        assert float(one["duration"]) == pytest.approx(4, abs=0.03)
    _, dubbed, own = streams(rows["wide"].output)
    assert (dubbed["channels"], dubbed["sample_rate"], dubbed["tags"]["language"]) == (6, "48000", "spa")
    assert (own["channels"], own["tags"]["language"], own["tags"]["handler_name"]) == (6, "deu", "Mehrkanal")
    assert len(streams(rows["file"].output)) == 2


def test_what_differs_from_the_options_is_a_warning(made):
    notes = rows_of(made)["file"].warnings
    assert all(note.startswith(NOTE) for note in notes)
    assert any("the background ends at 2.50 s" in note for note in notes)
    assert any("--voice-channel center: the background has 1 channels" in note for note in notes)
    assert any("--keep-audio: the source has no audio track" in note for note in notes)


def test_the_other_channels_of_a_source_stay(made):
    found = np.concatenate([b for _, b in audio.blocks(rows_of(made)["wide"].output, channels=6)], axis=1)
    spectra = np.abs(np.fft.rfft(found[:, :48_000] * np.hanning(48_000), axis=1))
    for channel in (0, 1, 3, 4, 5):
        assert spectra[channel].argmax() == pytest.approx(HERTZ[channel], abs=2)


@pytest.mark.nightly
def test_another_sound_draws_nothing_and_gives_what_a_new_run_gives(folder, made, tmp_path, capsys):
    before = rows_of(made)
    pictures = packets(before["wide"].output)
    stamps = {path.name: path.stat().st_mtime_ns for path in (made / "faces").rglob("*.parquet")}
    other = ("--duck", "6", "--true-peak", "-3", "--audio-codec", "flac", "--background", "source")
    capsys.readouterr()
    assert lipsync_ray("dub", folder / "table.csv", "-o", made, *WAYS, *other) == 1  # the row without sound
    assert "4 of 5 dubs were done before, and only their sound has changed" in capsys.readouterr().out
    after = rows_of(made)
    assert packets(after["wide"].output) == pictures
    assert after["wide"].fingerprint == before["wide"].fingerprint
    assert after["wide"].sound != before["wide"].sound
    assert after["wide"].warnings == ()
    assert {path.name: path.stat().st_mtime_ns for path in (made / "faces").rglob("*.parquet")} == stamps
    assert [one["codec_name"] for one in streams(after["wide"].output)] == ["h264", "flac"]
    assert ebur128(after["wide"].output)[1] <= -2.9
    fresh = tmp_path / "fresh"
    assert lipsync_ray("dub", folder / "table.csv", "-o", fresh, *WAYS, *other) == 1
    for name in ("source", "wide", "file", "none"):
        new = rows_of(fresh)[name]
        assert storage.read_bytes(new.output) == storage.read_bytes(after[name].output), name
        assert new.warnings == after[name].warnings
    assert lipsync_ray("dub", folder / "table.csv", "-o", made, *WAYS, *SOUND, "--background", "source") == 1
    assert packets(rows_of(made)["wide"].output) == pictures


def test_a_background_that_fails_keeps_the_finished_video(folder, made):
    """What was finished is not drawn again when the sound works."""
    before = rows_of(made)["none"]
    (folder / "broken.wav").write_bytes(b"no sound")
    table = folder / "broken.csv"
    table.write_text((folder / "table.csv").read_text().replace(",none", ",broken.wav"))
    assert lipsync_ray("dub", table, "-o", made, *WAYS, *SOUND) == 1
    failed = rows_of(made)["none"]
    assert (failed.status, failed.stage) == ("failed", "background")
    assert "broken.wav" in failed.error
    assert lipsync_ray("dub", folder / "table.csv", "-o", made, *WAYS, *SOUND, "--background", "source") == 1
    after = rows_of(made)["none"]
    assert (after.status, after.parts, after.warnings) == ("done", before.parts, WITHOUT_TRACK)


def test_a_voice_in_a_source_is_a_warning(demo_inputs, tmp_path):
    with_sound(demo_inputs / "pan.mp4", demo_inputs / "es.ogg", tmp_path / "spoken.mp4")
    (tmp_path / "t.csv").write_text(f"id,video,audio\nd,spoken.mp4,{demo_inputs}/en.ogg\n")
    for ways, warned in (("--background", "source"), True), (("--background", demo_inputs / "ko.ogg"), False):
        assert lipsync_ray("dub", tmp_path / "t.csv", "-o", tmp_path / "OUT", *WAYS, *ways) == 0
        assert any("somebody speaks for 3 s" in note for note in rows_of(tmp_path / "OUT")["d"].warnings) is warned


def test_scores_listen_to_the_voice(made):
    items = {item.id: item for item in read_inputs(str(made), None)}
    assert items["wide"].voice == storage.join(str(made), "voices", "wide.flac")
    assert items["none"].voice is None
    row = rows_of(made)["wide"]
    assert _voice_of(row, "enhanced", ()) == row.voice
    assert _voice_of(row, "moved", {"wide.flac"}) == "moved/voices/wide.flac"
    assert _voice_of(replace(row, voice="gone.flac"), "moved", ()) is None
    assert kind_of("dub", "voices/wide.flac").use == "preview"


def test_lines_and_voices_have_a_background_too(folder, demo_inputs, tmp_path):
    with (tmp_path / "cues.csv").open("w", newline="") as file:
        rows = [("start", "end", "audio"), (0.5, 1.5, demo_inputs / "en.ogg"), (2.5, 3.5, demo_inputs / "ko.ogg")]
        csv.writer(file).writerows(rows)
    (tmp_path / "t.csv").write_text(
        f"id,video,audio,cues,face\nlines,{folder}/source.mp4,,cues.csv,\nvoices,{folder}/source.mp4,{demo_inputs}/es.ogg,,left\n"
    )
    ways = ("--background", "source", "--duck", "20", "--audio-codec", "flac")
    assert lipsync_ray("dub", tmp_path / "t.csv", "-o", tmp_path / "OUT", *WAYS, *ways) == 0
    made = rows_of(tmp_path / "OUT")
    rate, found = 44_100, {}
    for name, row in made.items():
        found[name] = np.concatenate([block for _, block in audio.blocks(row.output)], axis=1)
        assert found[name].shape[1] == pytest.approx(4 * 48_000, abs=8_000)
    rate = found["lines"].shape[1] / 4
    music = lambda at: np.abs(np.fft.rfft(found["lines"][0, round(at * rate) : round((at + 0.2) * rate)]))[44]  # noqa: E731
    assert music(0.1) > 5 * music(1.0)  # 220 Hz, lowered under a line
    assert music(3.8) < music(0.1)  # held down after the last line
    pictures = frame_digests(made["lines"].output)
    assert len(pictures) == 100


def test_a_marked_video_keeps_its_tracks(folder, made):
    """Provenance that changes copies the packets of every track."""
    before = streams(rows_of(made)["wide"].output)
    ways = (*WAYS, *SOUND, "--background", "source", "--provenance", "none")
    assert lipsync_ray("dub", folder / "table.csv", "-o", made, *ways) == 1
    after = streams(rows_of(made)["wide"].output)

    def kept(found):
        return [(one["codec_name"], one["tags"].get("language"), one["tags"]["handler_name"]) for one in found]

    assert kept(after) == kept(before)
    assert [one["disposition"]["default"] for one in after] == [1, 1, 0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--duck", "6"), "--duck is for --background, or a column background"),
        (("--background", "missing.wav"), "--background: no such file"),
        (("--true-peak", "1"), "--true-peak 1.0: expected -20 to 0 dBTP"),
        (("--loudness", "-70"), "--loudness -70.0: expected -40 to -5 LUFS"),
        (("--audio-codec", "pcm"), "--audio-codec pcm: a .mp4 takes aac, flac, opus; --container mov or mkv takes pcm"),
        (("--background", " "), "--background: empty; expected source, a file, or none"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(demo_inputs, tmp_path, capsys, words, message):
    (tmp_path / "t.csv").write_text(f"video,audio\n{demo_inputs}/pan.mp4,{demo_inputs}/en.ogg\n")
    assert lipsync_ray("dub", tmp_path / "t.csv", "-o", tmp_path / "OUT", *WAYS, *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "OUT").exists()


def test_music_changes_no_score(demo_inputs, tmp_path):
    """A voice is scored alone; where it was removed, the mix is."""
    write_audio(tmp_path / "noise.wav", 0.3 * np.random.default_rng(0).standard_normal(4 * 48_000), 48_000)
    (tmp_path / "t.csv").write_text(f"id,video,audio\nd,{demo_inputs}/pan.mp4,{demo_inputs}/en.ogg\n")
    ways = (tmp_path / "t.csv", *WAYS, "--audio-codec", "flac")
    assert lipsync_ray("dub", *ways, "-o", tmp_path / "plain") == 0
    assert lipsync_ray("dub", *ways, "-o", tmp_path / "noisy", "--background", tmp_path / "noise.wav") == 0
    scores = {}
    for name, out in (("plain", "plain"), ("noisy", "noisy"), ("removed", "noisy")):
        if name == "removed":
            (tmp_path / "noisy" / "voices" / "d.flac").unlink()
        told = (
            "-o",
            tmp_path / f"scores-{name}",
            "--scorer",
            "mini-sync",
            "--fid",
            "none",
            "--min-track",
            "50",
            "--previews",
            "0",
        )
        assert lipsync_ray("evaluate", tmp_path / out, *told) == 0
        (scores[name],) = SCORES.read_table(str(tmp_path / f"scores-{name}"))
    assert scores["noisy"].sync_cosine == pytest.approx(scores["plain"].sync_cosine, abs=0.02)
    assert scores["noisy"].mini_sync_c == pytest.approx(scores["plain"].mini_sync_c, abs=0.05)
    assert abs(scores["removed"].mini_sync_c - scores["plain"].mini_sync_c) > 0.05


@pytest.mark.nightly
@pytest.mark.slow
def test_ray_makes_the_same_sound_and_joins_again(folder, cluster, tmp_path):
    """The bytes are those of threads of one process."""
    lines = (folder / "table.csv").read_text().splitlines()
    (folder / "wide.csv").write_text("\n".join([lines[0], lines[2]]))
    first, other = (*SOUND, "--audio-codec", "opus"), ("--loudness", "-23", "--duck", "3", "--background-gain", "-6")
    for engine in ("ray", "inline"):
        for ways in (first, other) if engine == "ray" else (other,):
            assert lipsync_ray("dub", folder / "wide.csv", "-o", tmp_path / engine, *WAYS, *ways, engine=engine) == 0
    made = [rows_of(tmp_path / engine)["wide"] for engine in ("ray", "inline")]
    assert storage.read_bytes(made[0].output) == storage.read_bytes(made[1].output)
    assert made[0].loudness_lufs == made[1].loudness_lufs == pytest.approx(-23, abs=0.3)
