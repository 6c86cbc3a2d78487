"""Persons of analysed videos: their pictures and seconds, and what their turns are called."""

import numpy as np
import pytest
from clips import write_video

from lipsync_ray.faces.table import write_table
from lipsync_ray.faces.track import Tracks
from lipsync_ray.inputs.portraits import PortraitOrder
from lipsync_ray.io.turns import Turn
from lipsync_ray.jobs.analyze.files import File, read_files
from lipsync_ray.jobs.analyze.people import LookOrder, look, names_of, persons_of
from lipsync_ray.media.probe import probe_video


def test_a_files_name_means_all_dubs_of_the_video(tmp_path):
    for name in ("talk.mp4", "other.mp4", "ko.wav"):
        (tmp_path / name).touch()
    table = tmp_path / "t.csv"
    table.write_text("id,video,audio\ntalk-ko,talk.mp4,ko.wav\ntalk-en,talk.mp4,other.mp4\nother-ko,other.mp4,ko.wav\n")
    assert names_of(read_files([str(table)])) == {"talk": ("talk",), "other": ("other",)}


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ([("a", "/x/talk.mp4", ("1",)), ("b", "/y/talk.mp4", ("2", "3"))], {"a": ("1",), "b": ("2", "3")}),
        ([("a", "/x/talk.mp4", ("1",)), ("b", "/x/b.mp4", ("talk",))], {"a": ("1",), "b": ("b",)}),
        ([("a", "/x/talk.mp4", ("talk",))], {"a": ("talk",)}),
        ([("a", "/x/talk.mp4", ("talk", "ko"))], {"a": ("talk", "ko")}),
    ],
)
def test_where_a_files_name_could_mean_other_dubs_each_dub_is_named(files, names):
    assert names_of(File(name, url, ("video",), shown_in=dubs) for name, url, dubs in files) == names


def test_without_a_table_of_dubs_a_file_has_its_own_name():
    files = [File("talk", "/x/talk.mp4"), File("x-b", "/x/b.mp4"), File("y-b", "/y/b.mp4")]
    assert names_of(files) == {"talk": ("talk",), "x-b": ("x-b",), "y-b": ("y-b",)}


def test_who_speaks_longest_comes_first_then_who_is_seen_longest():
    seen = {0: (9.0, True), 1: (4.0, True), 2: (9.5, False)}
    turns = (Turn(0.0, 1.0, 1), Turn(2.0, 3.5, 1), Turn(1.0, 2.0, 0))
    found = persons_of("a-b", seen, turns)
    assert [(one.person, one.spoken_s, one.seen_s, one.picture) for one in found] == [
        (1, 2.5, 4.0, "people/a-b-1.jpg"), (0, 1.0, 9.0, "people/a-b-0.jpg"), (2, 0.0, 9.5, None),
    ]  # fmt: skip
    assert [(one.person, one.spoken_s) for one in persons_of("a", seen, None)] == [(2, None), (0, None), (1, None)]


def test_a_picture_and_seconds_of_everybody_and_none_of_an_earlier_analysis(tmp_path):
    frames = np.array([*range(30), *range(10)], np.int32)
    person = np.repeat(np.int32([0, 1]), (30, 10))
    order = np.lexsort((person, frames))
    box = np.where(person[:, None] == 0, np.float32([40, 20, 100, 80]), np.float32([210, 20, 270, 80]))
    points = box[:, None, :2] + 60 * np.float32([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])[None]
    columns = (frames, person, np.zeros_like(person), person, np.zeros(40, bool), box, points, np.ones(40, np.float32))
    tracks = Tracks(*(column[order] for column in (*columns, np.ones(40, bool))))
    write_table(str(tmp_path / "t.parquet"), tracks)
    video = probe_video(str(write_video(tmp_path / "v.mp4", [np.full((240, 320, 3), 90, np.uint8)] * 30)))
    folder = tmp_path / "people"
    folder.mkdir()
    (folder / "v-5.jpg").write_bytes(b"of an earlier version")
    asked = PortraitOrder("v", video, str(tmp_path / "t.parquet"), str(folder), frozenset())
    assert look(LookOrder(asked, ("v-5.jpg",))) == {0: (1.2, True), 1: (0.4, True)}
    assert {path.name for path in folder.iterdir()} == {"v-0.jpg", "v-1.jpg"}
