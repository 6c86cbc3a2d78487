"""What is analysed, told from a table or from the arguments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_server import web_server

from lipsync_ray.errors import ManifestError
from lipsync_ray.jobs.analyze.files import read_files
from lipsync_ray.jobs.analyze.page import shortened
from lipsync_ray.jobs.analyze.stages import choose_frames


@pytest.fixture
def folder(tmp_path):
    for name in ("a.mp4", "b.mp4", "ko.wav", "es.wav"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_a_tables_files_are_looked_at_once(folder):
    (folder / "t.csv").write_text("id,video,audio,language\n1,a.mp4,ko.wav,ko\n2,a.mp4,es.wav,es\n3,b.mp4,a.mp4,\n")
    files = {file.id: file for file in read_files([str(folder / "t.csv")])}
    assert list(files) == ["a", "ko", "es", "b"]
    assert files["a"].roles == ("audio", "video")
    assert files["a"].dubs == ("1", "2", "3")
    assert (files["ko"].roles, files["ko"].languages, files["ko"].dubs) == (("audio",), ("ko",), ("1",))
    assert files["b"].languages == ()


def test_files_and_patterns(folder):
    found = read_files([str(folder / "*.mp4"), str(folder / "ko.wav"), str(folder / "a.mp4")])
    assert [file.url for file in found] == [str(folder / name) for name in ("a.mp4", "b.mp4", "ko.wav")]
    assert [file.id for file in found] == ["a", "b", "ko"]
    assert found[0].roles == ()


def test_files_of_one_name_are_told_apart_by_their_folders(folder):
    (folder / "more").mkdir()
    (folder / "more" / "a.mp4").write_bytes(b"y")
    urls = [str(folder / "a.mp4"), str(folder / "more" / "a.mp4")]
    assert [file.id for file in read_files(urls)] == [f"{folder.name}-a", "more-a"]
    assert [file.id for file in read_files(urls[::-1])] == ["more-a", f"{folder.name}-a"]


def test_no_file_gets_a_folder_that_is_needed_otherwise(folder):
    for name in ("outcomes.mp4", "run.json.mp4"):
        (folder / name).write_bytes(b"x")
    found = read_files([str(folder / "outcomes.mp4"), str(folder / "run.json.mp4")])
    assert [file.id for file in found] == ["outcomes_", "run.json_"]


def test_every_problem_is_told(folder):
    with pytest.raises(ManifestError) as caught:
        read_files([str(folder / "gone.mp4"), str(folder / "*.mkv"), str(folder / "t.csv"), str(folder)])
    said = str(caught.value)
    assert "gone.mp4: no such file" in said
    assert "*.mkv: no file matches" in said
    assert "a table must be the only argument" in said
    assert f"a folder; name the files in it: {folder}/*" in said


@given(st.integers(1, 500), st.integers(1, 40), st.integers(0, 5))
def test_frames_are_chosen_without_chance(frames, count, seed):
    chosen = choose_frames(frames, count, seed)
    assert chosen == sorted(set(chosen)) == choose_frames(frames, count, seed)
    assert len(chosen) == min(frames, count)
    assert 0 <= chosen[0] <= chosen[-1] < frames
    assert set(choose_frames(frames, max(1, count // 2), seed)) <= set(chosen)


def test_another_seed_chooses_others():
    assert choose_frames(1000, 10, 0) != choose_frames(1000, 10, 1)


def test_text_is_cut_at_a_space():
    assert shortened("one two three", 9) == "one two …"
    assert shortened("one", 9) == "one"


def test_a_file_that_is_signed_twice_is_one_and_files_behind_one_address_are_two(tmp_path):
    with web_server() as server:
        server.files |= {"/a.mp4": b"x", "/b.wav": b"y", "/get?c=1": b"1", "/get?c=2": b"2"}
        signed = [f"{server.address}/a.mp4?sig={n}" for n in (1, 2)]
        others = [f"{server.address}/get?c={n}" for n in (1, 2)]
        assert [file.id for file in read_files([*signed, *others])] == ["a", "get", "get-2"]
        table = tmp_path / "t.csv"
        table.write_text("video,audio\n" + "".join(f"{video},{server.address}/b.wav\n" for video in (*signed, *others)))
        found = read_files([str(table)])
    assert [file.id for file in found] == ["a", "b", "get", "get-2"]
    assert [len(file.dubs) for file in found] == [2, 4, 1, 1]
