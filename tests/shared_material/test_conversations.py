"""Who speaks is found on a small montage of real people, whatever the rows, and said to be unknown where nothing tells."""

from dataclasses import replace

import montages
import numpy as np
import pytest

from lipsync_ray.faces.speaker import asks_who_speaks
from lipsync_ray.faces.table import read_table
from lipsync_ray.inputs.audio_features import AudioSource
from lipsync_ray.inputs.face_tables import Detect, TableOrder, face_rows, make_table
from lipsync_ray.inputs.talking_tables import (
    FindTalking,
    SpeakersOrder,
    TalkingRow,
    make_decision,
    read_decision,
    talking_rows,
)
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import probe_video

SECONDS = 8


@pytest.fixture(scope="module")
def conversation(corpus, tmp_path_factory):
    """(folder, truth, order without rows) of two people side by side."""
    folder = tmp_path_factory.mktemp("conversation")
    made = montages.talk_of_two(corpus, folder, SECONDS)
    info = probe_video(str(folder / "talk.mp4"))
    rows = face_rows("talk", info, str(folder / "scans"), 4.0)
    detect = Detect("cpu")
    for row in rows:
        detect(row)
    table = str(folder / "faces.parquet")
    make_table(TableOrder("talk", info, tuple(row.url for row in rows), table))
    track = SoundTrack(info.url, begin_s=info.origin_s)
    sound = AudioSource(track, "talk", False, str(folder / "sounds"), "speech-mel", voice=True)
    return folder, made, SpeakersOrder("talk", info, table, sound, (), str(folder / "speakers.json"))


def decided(conversation, cuts, name):
    """The decision by rows that end at these frames."""
    folder, _, order = conversation
    look = FindTalking("cpu")
    parts = []
    for start, stop in zip((0, *cuts), (*cuts, order.video.frames), strict=True):
        url = str(folder / name / f"{start}-{stop}.npz")
        look(TalkingRow(f"{start}", start, stop, url, order.video, "talk", order.table))
        parts.append(url)
    return make_decision(replace(order, parts=tuple(parts)))


def test_the_one_whose_mouth_goes_with_the_sound_speaks(conversation):
    folder, made, order = conversation
    tracks = read_table(order.table)
    assert asks_who_speaks(tracks, "auto")
    rows = talking_rows("talk", order.video, order.table, str(folder / "rows"))
    assert (rows[0].start, rows[-1].stop) == (0, order.video.frames)
    found = decided(conversation, (), "whole")
    assert found.untold == ""
    assert found.late_s == pytest.approx(-2 / 25)
    assert read_decision(order.url) == found
    assert not (folder / "whole").exists()
    said = np.full(len(made.speaker), montages.NOBODY)
    for turn in found.turns:
        own = tracks.box[tracks.person == turn.person]
        cell = int(np.median(own[:, [0, 2]]) // montages.SIDE)
        said[round(turn.start_s * 25) : round(turn.end_s * 25)] = cell
    spoken = made.speaker != montages.NOBODY
    assert np.mean(said[spoken] == made.speaker[spoken]) > 0.9
    assert decided(conversation, (1, 77, 130), "pieces") == found


def test_a_video_without_sound_does_not_tell(conversation):
    _, _, order = conversation
    found = make_decision(replace(order, sound=None, url=order.url + ".silent"))
    assert (found.turns, found.untold) == ((), "it has no sound")
    assert read_decision(order.url + ".silent") == found
