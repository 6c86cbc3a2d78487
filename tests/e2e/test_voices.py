"""Several voices, and lines, in one video of two people: who is drawn when, what is heard, what is shown as text."""

import csv
import shutil
from fractions import Fraction

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from clips import tone, write_audio, write_video
from commands import lipsync_ray
from montages import mirrored_pair, mono

from lipsync_ray import DubSettings, LineSettings, VideoCoding, Workers, quote_table
from lipsync_ray.faces.sight import FADE
from lipsync_ray.io import storage
from lipsync_ray.io.results import read_results
from lipsync_ray.io.run_contents import kind_of
from lipsync_ray.jobs.analyze.files import read_files
from lipsync_ray.jobs.dub import inputs
from lipsync_ray.media.side_content import read_side_content

FRAMES, SIDE, RATE = 75, 256, 48_000


def spoken(path, seconds):
    """(n,) float32 of a demo's sentence at 48 kHz, behind the first half second."""
    return mono(path, RATE)[: round(seconds * RATE)]


@pytest.fixture(scope="module")
def folder(demo_inputs, tmp_path_factory):
    """A video of two people side by side, without a sound, two sentences, and tables."""
    folder = tmp_path_factory.mktemp("voices")
    write_video(folder / "two.mp4", mirrored_pair(demo_inputs / "pan.mp4", FRAMES, SIDE), options={"crf": "0"})
    write_audio(folder / "en.wav", spoken(demo_inputs / "en.ogg", 2.0), RATE)
    write_audio(folder / "ko.wav", 0.5 * spoken(demo_inputs / "ko.ogg", 3.0), RATE)
    (folder / "lines.csv").write_text(
        "start,end,audio,speaker,text\n0.4,1.0,en.wav,left,Hello\n0.8,1.6,ko.wav,2.0s@380x120,안녕하세요\n2.0,2.6,en.wav,,\n"
    )
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("id", "video", "audio", "face", "cues", "language"),
                ("both", "two.mp4", "en.wav", "left", "", "en"),
                ("lines", "two.mp4", "", "", "lines.csv", "ko"),
                ("both", "two.mp4", "ko.wav", "right", "", "en"),
            ]
        )
    return folder


@pytest.fixture(scope="module")
def out(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "OUT"
    ways = ("--model", "warp", "--crf", "0", "--fit", "stretch", "--max-stretch", "1.5", "--face", "left")
    assert lipsync_ray("dub", folder / "table.csv", "-o", out, *ways) == 0
    return out


def lumas(path):
    """(n, h, w) of a video's frames."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)]).astype(np.int16)


def changed(folder, video):
    """(n, 2) share of the left and the right half's pixels that differ from the source."""
    source, made = lumas(folder / "two.mp4"), lumas(video)
    order = [*range(FRAMES), *range(FRAMES - 2, -1, -1)][: len(made)]  # to and fro
    differ = np.abs(source[order] - made) > 0
    return np.stack([differ[:, :, :SIDE].mean((1, 2)), differ[:, :, SIDE:].mean((1, 2))], axis=1)


def heard(path):
    """(n,) float32, the mean of a video's channels."""
    with av.open(str(path)) as container:
        assert container.streams.audio[0].rate == RATE
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1).mean(0)


def read(path):
    with av.open(str(path)) as container:
        samples = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
    return samples.astype(np.float32) / 32768


def levels(sound, *voices):
    """By how much each voice, (n,) float32, is heard in a sound: least squares."""
    each = np.stack([np.pad(voice, (0, max(0, len(sound) - len(voice))))[: len(sound)] for voice in voices], axis=1)
    return np.linalg.lstsq(each, sound, rcond=None)[0]


def test_two_voices_are_said_by_two_mouths_and_heard_together(folder, out):
    (row, _) = read_results(str(out))
    assert (row.status, row.frames) == ("done", 75)  # as the longest voice
    assert [voice.face for voice in row.voices] == ["left", "right"]
    drawn = changed(folder, row.output)
    assert (drawn[:, 0] > 0.002).mean() > 0.95
    assert (drawn[:, 1] > 0.002).mean() > 0.95
    sound = heard(row.output)
    assert np.abs(sound).max() <= 1.0
    assert levels(sound, read(folder / "en.wav"), read(folder / "ko.wav")) == pytest.approx([1, 1], abs=0.1)


def test_each_mouth_hears_its_own_voice_alone(folder, out, tmp_path):
    """The left one says what it says in a dub of that voice alone."""
    (tmp_path / "one.csv").write_text(f"id,video,audio,face\nleft,{folder / 'two.mp4'},{folder / 'en.wav'},person:0\n")
    assert lipsync_ray("dub", tmp_path / "one.csv", "-o", tmp_path / "OUT", "--model", "warp", "--crf", "0") == 0
    (alone,) = read_results(str(tmp_path / "OUT"))
    one, both = lumas(alone.output), lumas(read_results(str(out))[0].output)
    same = [np.array_equal(one[:, :, half], both[: len(one), :, half]) for half in (slice(SIDE), slice(SIDE, None))]
    assert sorted(same) == [False, True]  # one half is the same; the other hears the second voice in `both`


def test_a_mouth_moves_in_its_lines_alone(folder, out):
    row = read_results(str(out))[1]
    assert (row.status, row.frames, row.stage) == ("done", FRAMES, None)
    drawn = changed(folder, row.output) > 0
    lines = {0: [(10, 25), (50, 65)], 1: [(20, 40)]}
    for half, spans in lines.items():
        inside = np.zeros(FRAMES, bool)
        around = np.zeros(FRAMES, bool)
        for start, stop in spans:
            inside[start:stop] = True
            around[max(0, start - FADE) : stop + FADE] = True
        assert drawn[inside, half].all()
        assert not drawn[~around, half].any()  # identical to the source's frames, to the bit


def test_lines_are_heard_in_their_slots(folder, out):
    sound = heard(read_results(str(out))[1].output)
    loud = {
        at: float(np.sqrt((sound[round(at * RATE) : round((at + 0.3) * RATE)] ** 2).mean()))
        for at in (0, 0.5, 1.7, 2.2, 2.7)
    }
    assert max(loud[0], loud[1.7], loud[2.7]) < 0.01 < min(loud[0.5], loud[2.2])
    assert len(sound) / RATE == pytest.approx(FRAMES / 25, abs=0.03)


def test_what_became_of_each_line_is_a_table(out):
    rows = pq.read_table(out / "lines.parquet").to_pylist()
    left = rows[0]["person"]
    lines = [
        ("line 2", 0.4, 1.0, "left", left, "Hello", 1.5, 0.733),
        ("line 3", 0.8, 1.6, "2.0s@380x120", 1 - left, "안녕하세요", 1.5, 1.2),
        ("line 4", 2.0, 2.6, None, left, None, 1.5, 0.733),
    ]
    assert [tuple(row.values()) for row in rows] == [("lines", *line, "stretched and cut") for line in lines]
    with (out / "lines.csv").open(newline="", encoding="utf-8") as file:
        assert [row["text"] for row in csv.DictReader(file)] == ["Hello", "안녕하세요", ""]


def _texts(url):
    (found,) = read_side_content(url, Fraction(25)).subtitles
    return found


def test_texts_are_a_track(out):
    both, lines = (row.output for row in read_results(str(out)))
    with av.open(lines) as container:
        stream = container.streams.subtitles[0]
        texts = [
            (float(packet.pts * packet.time_base), bytes(packet)[2:].decode())
            for packet in container.demux(stream)
            if packet.size > 2
        ]
        assert stream.language == "kor"
    assert texts == [(0.4, "Hello"), (0.8, "Hello\n안녕하세요"), (1.0, "안녕하세요")]
    with av.open(both) as container:
        assert not container.streams.subtitles


def test_a_second_run_keeps_all_and_another_line_makes_its_dub_anew(folder, out, tmp_path, capsys):
    out = shutil.copytree(out, tmp_path / "OUT")
    ways = ("--model", "warp", "--crf", "0", "--fit", "stretch", "--max-stretch", "1.5", "--face", "left")
    made = {path.name: path.stat().st_mtime_ns for path in (out / "videos").iterdir()}
    (out / "lines.csv").unlink()
    assert lipsync_ray("dub", folder / "table.csv", "-o", out, *ways) == 0
    assert "2 of 2 dubs were finished before" in capsys.readouterr().out
    assert made == {path.name: path.stat().st_mtime_ns for path in (out / "videos").iterdir()}
    assert (out / "lines.csv").exists()
    text = (folder / "lines.csv").read_text()
    (folder / "lines.csv").write_text(text.replace("2.0,2.6", "2.0,2.5"))
    assert lipsync_ray("dub", folder / "table.csv", "-o", out, *ways) == 0
    assert "1 of 2 dubs were finished before" in capsys.readouterr().out
    (folder / "lines.csv").write_text(text)


def test_a_video_that_is_marked_anew_keeps_its_texts(folder, out, tmp_path):
    shutil.copytree(out, tmp_path / "OUT")
    ways = ("--model", "warp", "--crf", "0", "--fit", "stretch", "--max-stretch", "1.5", "--face", "left")
    assert lipsync_ray("dub", folder / "table.csv", "-o", tmp_path / "OUT", *ways, "--provenance", "none") == 0
    before, after = (
        _texts(read_results(str(out))[1].output),
        _texts(str(tmp_path / "OUT/videos/lines.mp4")),
    )
    assert after == before
    assert [text.text for text in after.texts] == ["Hello", "Hello\n안녕하세요", "안녕하세요"]


def test_a_plan_knows_what_is_done_and_what_is_left(folder, out, tmp_path):
    lines = LineSettings("stretch", 1.5)
    settings = DubSettings(model="warp", face="left", lines=lines, coding=VideoCoding(crf=0.0))
    workers = Workers(engine="inline")
    done = quote_table(folder / "table.csv", out, settings=settings, workers=workers)
    assert (done.dubs, done.before, done.frames, done.unreadable) == (2, 2, 0, ())
    fresh = quote_table(folder / "table.csv", tmp_path / "OUT", settings=settings, workers=workers)
    assert (fresh.before, fresh.videos, fresh.frames) == (0, 1, FRAMES + 75)


def test_an_analysis_of_the_table_has_all_its_sounds(folder):
    files = read_files([str(folder / "table.csv")])
    assert {(one.url.rpartition("/")[2], one.roles, one.dubs) for one in files} == {
        ("two.mp4", ("video",), ("both", "lines")),
        ("en.wav", ("audio",), ("both", "lines")),
        ("ko.wav", ("audio",), ("both", "lines")),
    }


def test_every_file_of_a_run_is_known(out):
    made = storage.list_tree(str(out))
    kinds = {path: kind_of("dub", path) for path in made}
    assert not [path for path, kind in kinds.items() if kind is None]
    assert {kinds[path].use for path in made if path.startswith("lines/")} == {"cache"}


def test_a_sound_that_is_replaced_meanwhile_ends_its_dub(folder, tmp_path, monkeypatch):
    """The mixed sound is read again when a video is joined: by then it has to be the one that the mouths went with."""
    for name in ("two.mp4", "en.wav", "ko.wav", "lines.csv", "table.csv"):
        shutil.copy(folder / name, tmp_path / name)
    look_at_files = inputs.look_at_files

    def replaced_afterwards(run):
        look_at_files(run)
        write_audio(tmp_path / "ko.wav", tone(3.0, RATE), RATE)

    monkeypatch.setattr(inputs, "look_at_files", replaced_afterwards)
    assert lipsync_ray("dub", tmp_path / "table.csv", "-o", tmp_path / "OUT", "--model", "warp", "--face", "left") == 1
    for row in read_results(str(tmp_path / "OUT")):
        assert (row.status, row.stage) == ("failed", "join")
        assert "ko.wav: it changed during the run" in row.error


def test_a_bucket_holds_table_lines_sounds_and_results(folder, s3_server):
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdirs("talks", exist_ok=True)
    for name in ("two.mp4", "en.wav", "ko.wav", "lines.csv"):
        storage.commit_file(folder / name, f"s3://talks/in/{name}")
    storage.commit_bytes("s3://talks/in/t.csv", b"id,video,cues,language\nlines,two.mp4,lines.csv,ko\n")
    ways = ("--model", "warp", "--fit", "stretch", "--face", "left")
    assert lipsync_ray("dub", "s3://talks/in/t.csv", "-o", "s3://talks/out", *ways) == 0
    made = storage.list_tree("s3://talks/out")
    assert {"lines.parquet", "lines.csv", "videos/lines.mp4"} <= made
    assert len([path for path in made if path.startswith("lines/")]) == 3
    assert len(_texts("s3://talks/out/videos/lines.mp4").texts) == 3


def test_what_cannot_be_is_a_row_with_its_reason(folder, tmp_path):
    def cues(name, text):
        (tmp_path / name).write_text(f"start,end,audio,audio_start,speaker\n{text}\n")
        return name

    en = folder / "en.wav"
    (tmp_path / "t.jsonl").write_text(
        "\n".join(
            f'{{"id": "{name}", "video": "{folder / "two.mp4"}", "cues": "{cues(f"{name}.csv", text)}"}}'
            for name, text in (
                ("late", f"2,9,{en},,left"),
                ("short", f"0,1,{en},7,left"),
                ("twice", f"0,1,{en},,left\n0.5,2,{en},,0.5s@130x120"),
                ("name", f"0,1,{en},,Ann"),
                ("mute", f"0,1,{folder / 'two.mp4'},,left"),
                ("nobody", f"0,1,{en},,nobody"),
            )
        )
    )
    assert lipsync_ray("dub", tmp_path / "t.jsonl", "-o", tmp_path / "OUT", "--model", "warp") == 1
    rows = {row.id: row for row in read_results(str(tmp_path / "OUT"))}
    assert "line 2: ends at 9.000 s, the video at 3.000 s" in rows["late"].error
    assert "short.csv" in rows["short"].error
    assert "line 2: its sound begins at 7.000 s, but" in rows["short"].error
    assert "line 2 of 'left' and line 3 of '0.5s@130x120' are both said by person" in rows["twice"].error
    assert "line 2, speaker: 'Ann' is a name" in rows["name"].error
    assert "no audio stream" in rows["mute"].error
    assert rows["nobody"].status == "no_face"
    assert "line 2 of 'nobody': a voice off screen" in rows["nobody"].error


def test_a_model_that_draws_a_head_refuses_voices_before_anything_starts(folder, tmp_path, monkeypatch, capsys):
    from lipsync_ray.jobs.dub.methods.head import Head

    monkeypatch.setattr("lipsync_ray.jobs.dub.job.method_of", lambda spec: Head)
    assert lipsync_ray("dub", folder / "table.csv", "-o", tmp_path / "OUT", "--model", "mini") == 2
    assert "both, column 'face': mini draws one head for one sound" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "OUT").exists()
