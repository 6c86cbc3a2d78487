"""Two people who talk with each other: each is dubbed while speaking, the other one stays as the source has it."""

import csv
import shutil

import av
import cv2
import montages
import numpy as np
import pytest
from commands import frame_digests, lipsync_ray

from lipsync_ray.engine.cleaning import contents
from lipsync_ray.errors import ProbeError
from lipsync_ray.inputs import speaker_search
from lipsync_ray.io.results import read_results
from lipsync_ray.io.turns import spoken_s
from lipsync_ray.jobs.analyze.analysis import read_analyses

SECONDS, CELL = 6, montages.SIDE


@pytest.fixture(scope="module")
def conversation(corpus, tmp_path_factory):
    """(table, (n,) which half speaks at 25 frames/s) of two people side by side."""
    folder = tmp_path_factory.mktemp("conversation")
    made = montages.talk_of_two(corpus, folder, SECONDS)
    shutil.copy(corpus / "audio" / "es.wav", folder / "es.wav")
    table = folder / "t.csv"
    table.write_text("id,video,audio\ntalk,talk.mp4,es.wav\n")
    return table, made.speaker


def dub(table, out, *more, engine="inline", model="warp"):
    return lipsync_ray(
        "dub", table, "-o", out, "--model", model, "--length", "video", "--crf", "0", *more, engine=engine
    )


def halves_changed(table, out):
    """(n, 2) bool: the left and the right half of a frame differ from the source; by PyAV."""
    left_right = []
    for path in (table.parent / "talk.mp4", out / "videos" / "talk.mp4"):
        with av.open(str(path)) as container:
            left_right.append(
                np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)]).astype(int)
            )
    source, dubbed = left_right
    assert len(source) == len(dubbed)
    far = np.abs(source - dubbed) > 6
    return np.stack([far[:, :, :CELL].mean(axis=(1, 2)), far[:, :, CELL:].mean(axis=(1, 2))], axis=1) > 0.002


@pytest.fixture(scope="module")
def made(conversation, tmp_path_factory):
    out = tmp_path_factory.mktemp("made")
    assert dub(conversation[0], out) == 0
    return out


def test_who_speaks_is_dubbed_and_nobody_else(conversation, made):
    table, speaker = conversation
    changed = halves_changed(table, made)
    frames = np.flatnonzero(speaker[: len(changed)] != montages.NOBODY)
    own = changed[frames, speaker[frames]]
    other = changed[frames, 1 - speaker[frames]]
    assert own.mean() > 0.9
    assert other.mean() < 0.1
    (row,) = read_results(str(made))
    assert {turn.person for turn in row.turns} == {0, 1}
    assert any("who speaks in the source is dubbed: person" in warning for warning in row.warnings)
    left = {drawn.x + drawn.width / 2 < CELL for drawn in row.drawn}
    assert left == {True, False}


def test_what_was_decided_can_be_read_and_every_file_is_known(made):
    rows = list(csv.DictReader((made / "speakers.csv").read_text().splitlines()))
    (result,) = read_results(str(made))
    assert [(row["dub"], float(row["start_s"]), int(row["person"])) for row in rows] == [
        ("talk", pytest.approx(turn.start_s, abs=1e-3), turn.person) for turn in result.turns
    ]
    assert [path for one in contents(str(made), False) if one.use is None for path in one.files] == []


def test_the_same_command_makes_nothing_again(conversation, made, capsys):
    assert dub(conversation[0], made) == 0
    assert "1 of 1 dubs were finished before" in capsys.readouterr().out


@pytest.mark.nightly
@pytest.mark.parametrize("more", [("--segment", "0.7"), ("--segment", "1.3", "--actors", "2")])
def test_frames_do_not_depend_on_the_split(conversation, made, tmp_path, more):
    assert dub(conversation[0], tmp_path, *more) == 0
    assert frame_digests(tmp_path / "videos/talk.mp4") == frame_digests(made / "videos/talk.mp4")


@pytest.mark.nightly
def test_on_ray_as_well_and_by_another_model(conversation, made, cluster, tmp_path):
    assert dub(conversation[0], tmp_path / "warp", engine="ray") == 0
    assert frame_digests(tmp_path / "warp/videos/talk.mp4") == frame_digests(made / "videos/talk.mp4")
    assert dub(conversation[0], tmp_path / "mini", model="mini") == 0
    same = halves_changed(conversation[0], tmp_path / "mini") == halves_changed(conversation[0], made)
    assert same.mean() > 0.95


def test_a_corrected_table_is_obeyed(conversation, made, tmp_path, capsys):
    """Of all turns only one is left, half a second of the left one's; its meshes are those of the first run."""
    out = tmp_path / "out"
    shutil.copytree(made, out)
    lines = (out / "speakers.csv").read_text().splitlines()
    (result,) = read_results(str(made))
    person = result.turns[0].person
    corrected = tmp_path / "s.csv"
    corrected.write_text(f"{lines[0]}\ntalk,1.0,1.5,{person},\n")
    assert dub(conversation[0], out, "--speakers", corrected) == 0
    changed = halves_changed(conversation[0], out).any(axis=1)
    assert set(np.flatnonzero(changed)) <= set(range(25, 38))
    assert changed[29:34].all()
    assert "mesh: segments" not in capsys.readouterr().out
    corrected.write_text(f"{lines[0]}\ntalk,1.0,1.5,7,\n")
    assert dub(conversation[0], out, "--speakers", corrected) == 1
    assert "person:7 is not seen in the video; expected one of: person:0, person:1" in read_results(str(out))[0].error
    corrected.write_text(f"{lines[0]}\ntalk,1.0,99,{person},\n")
    assert dub(conversation[0], out, "--speakers", corrected) == 1
    assert "line 2: ends at 99 s, but the video ends at" in read_results(str(out))[0].error
    corrected.write_text(f"{lines[0]}\ntalk,2.0,1.5,{person},\n")
    assert dub(conversation[0], out, "--speakers", corrected) == 2
    assert "line 2: ends at 1.5 s, before it starts, at 2 s" in capsys.readouterr().err


@pytest.fixture(scope="module")
def analysed(conversation, tmp_path_factory):
    """The folder of an analysis of the conversation, beside a silent video that nobody's turns are known of."""
    table, _ = conversation
    folder = tmp_path_factory.mktemp("analysed")
    with av.open(str(table.parent / "talk.mp4")) as source, av.open(str(table.parent / "mute.mp4"), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None and packet.pts < stream.duration / 3:
                packet.stream = copy
                target.mux(packet)
    (table.parent / "a.csv").write_text("id,video,audio\ntalk,talk.mp4,es.wav\nmute,mute.mp4,es.wav\n")
    assert analyze(table.parent / "a.csv", folder) == 0
    return folder


def analyze(table, out):
    return lipsync_ray("analyze", table, "-o", out, "--whisper", "none", "--frames", "2", "--find-speakers")


def test_an_analysis_finds_who_speaks_as_the_dub_does(conversation, made, analysed):
    assert (analysed / "speakers.csv").read_text() == (made / "speakers.csv").read_text()
    found = {row.id: row for row in read_analyses(str(analysed / "analysis.parquet"))}
    (result,) = read_results(str(made))
    talk, mute = found["talk"], found["mute"]
    assert talk.turns == result.turns
    assert [(one.person, one.picture) for one in talk.persons] == [
        (person, f"people/talk-{person}.jpg") for person in sorted({0, 1}, key=lambda who: -spoken_s(talk.turns)[who])
    ]
    speaker = conversation[1]
    assert sum(one.spoken_s for one in talk.persons) == pytest.approx((speaker != montages.NOBODY).sum() / 25, rel=0.2)
    assert all(one.seen_s == pytest.approx(len(speaker) / 25, rel=0.02) for one in talk.persons)
    assert {one.spoken_s for one in mute.persons} == {None}
    assert any("who speaks in the video cannot be told: it has no sound" in note for note in mute.speaker_notes)
    assert found["es"].persons is None
    for row in (talk, mute):
        assert all(cv2.imread(str(analysed / one.picture)).shape == (96, 96, 3) for one in row.persons)
        assert f"person {row.persons[0].person}: " in (analysed / row.id / "report.txt").read_text()
    page = (analysed / "index.html").read_text()
    assert all(f'src="people/talk-{person}.jpg"' in page for person in (0, 1))
    assert 'href="speakers.csv"' in page
    assert [path for one in contents(str(analysed), False) if one.use is None for path in one.files] == []


@pytest.mark.nightly
def test_a_table_of_an_analysis_is_obeyed_and_dubs_that_it_does_not_name_are_not_changed(
    conversation, made, analysed, tmp_path
):
    """Of the first second nobody is left; the silent video, of which the table has no row, is dubbed as without it."""
    table = conversation[0]
    out = tmp_path / "out"
    shutil.copytree(made, out)
    rows = list(csv.DictReader((analysed / "speakers.csv").read_text().splitlines()))
    kept = [row for row in rows if float(row["start_s"]) >= 1]
    with (tmp_path / "s.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(kept)
    assert dub(table.parent / "a.csv", out, "--speakers", tmp_path / "s.csv") == 0
    result, mute = read_results(str(out))
    assert [(turn.start_s, turn.person) for turn in result.turns] == [
        (float(row["start_s"]), int(row["person"])) for row in kept
    ]
    assert (mute.status, mute.turns) == ("done", None)
    assert not halves_changed(table, out)[: int(25 * float(kept[0]["start_s"]))].any()


@pytest.mark.nightly
def test_an_analysis_again_looks_at_nobody_again(conversation, analysed, tmp_path, capsys):
    table, out = conversation[0].parent / "a.csv", tmp_path / "out"
    shutil.copytree(analysed, out)
    before = {path: path.stat().st_mtime_ns for folder in ("people", "faces") for path in (out / folder).rglob("*")}
    assert analyze(table, out) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "faces:" not in capsys.readouterr().out
    (out / "speakers.csv").write_text("dub,start_s,end_s,person\ntalk,0,1,0\n")
    assert analyze(table, out) == 0
    assert "talk,0,1,0" in (out / "speakers.csv").read_text()  # a correction stays
    (out / "speakers.csv").unlink()
    shutil.rmtree(out / "faces")
    (out / "people" / "talk-7.jpg").write_bytes(b"of a person that an earlier version saw")
    shutil.rmtree(out / "outcomes")
    assert analyze(table, out) == 0
    assert (out / "speakers.csv").read_text() == (analysed / "speakers.csv").read_text()
    assert {path.name for path in (out / "people").iterdir()} == {path.name for path in (analysed / "people").iterdir()}


def test_a_failure_to_find_who_speaks_leaves_the_pictures_and_is_looked_for_again(
    conversation, analysed, tmp_path, monkeypatch
):
    def fail(order):
        raise ProbeError(f"{order.video.url}: its sound cannot be decoded")

    table, out = conversation[0].parent / "a.csv", tmp_path / "out"
    shutil.copytree(analysed, out)
    shutil.rmtree(out / "outcomes")
    shutil.rmtree(out / "faces" / "speakers")
    with monkeypatch.context() as patch:
        patch.setattr(speaker_search, "make_decision", fail)
        assert analyze(table, out) == 0
    row = next(row for row in read_analyses(str(out / "analysis.parquet")) if row.id == "talk")
    assert (row.status, row.turns, {one.spoken_s for one in row.persons}) == ("done", None, {None})
    assert "its sound cannot be decoded" in row.speakers_error
    assert row.speakers_error in (out / "index.html").read_text()
    assert not (out / "speakers.csv").exists()
    assert analyze(table, out) == 0
    assert (out / "speakers.csv").read_text() == (analysed / "speakers.csv").read_text()


@pytest.mark.nightly
def test_everybody_is_dubbed_where_that_is_asked_for(conversation, tmp_path):
    assert dub(conversation[0], tmp_path, "--face", "all") == 0
    assert halves_changed(conversation[0], tmp_path).mean() > 0.95


@pytest.mark.nightly
def test_scores_are_of_who_was_dubbed(made, tmp_path):
    scorer = ("--scorer", "mini-sync", "--fid", "none", "--min-track", "10", "--previews", "0")
    assert lipsync_ray("evaluate", made, "-o", tmp_path / "turns", *scorer) == 0
    assert lipsync_ray("evaluate", made, "-o", tmp_path / "largest", *scorer, "--face", "largest") == 0
    from lipsync_ray.jobs.evaluate.scores import SCORES

    (turns,), (largest,) = (SCORES.read_table(str(tmp_path / name)) for name in ("turns", "largest"))
    assert turns.status == largest.status == "scored"
    assert turns.windows < largest.windows
    assert turns.mini_sync_c > largest.mini_sync_c
