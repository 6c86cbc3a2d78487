"""A folder knows whose it is: by its run.json, by its records, by what older versions left; here and in a bucket."""

import json
from dataclasses import dataclass

import pytest

from lipsync_ray.errors import ManifestError, SettingsError
from lipsync_ray.io import storage
from lipsync_ray.io.out_folder import check_out, check_pair, is_video
from lipsync_ray.io.records import Records, all_values
from lipsync_ray.io.run_folder import UNKNOWN, check_owner, describe_owner, owner_of, record_of


@dataclass(frozen=True)
class Kept:
    id: str
    status: str
    fingerprint: str | None = None


ROWS = Records(Kept, "kept.parquet")


def put(folder, name, values):
    storage.commit_bytes(storage.join(folder, name), json.dumps(values).encode())


RUNS = [
    ({"job": "dub", "settings": {"pads": {}}}, "dub"),
    ({"job": "train", "settings": {"kind": "sync-judge", "held_out": 0.1}}, "train sync-judge"),
    ({"job": "brightness", "settings": {}}, "brightness"),
    # As they were before a run.json named its job.
    ({"settings": {"face": "largest", "pads": {}, "loop": "pingpong"}}, "dub"),
    ({"settings": {"face": "all", "pads": {}, "enhance": {}}}, "enhance"),
    ({"settings": {"scorer": "syncnet"}}, "evaluate"),
    ({"settings": {"whisper": "small"}}, "analyze"),
    ({"settings": {"kind": "pose", "held_out": 0.1}}, "train pose"),
    # What somebody else wrote.
    ({"name": "mine"}, UNKNOWN),
    ({"job": 3, "settings": "none"}, UNKNOWN),
    ({"settings": {"kind": 3}}, UNKNOWN),
    ([1], UNKNOWN),
]


@pytest.mark.parametrize(("record", "owner"), RUNS)
def test_a_run_is_known_by_its_record(tmp_path, record, owner):
    put(str(tmp_path), "run.json", record)
    assert owner_of(str(tmp_path)) == owner


@pytest.mark.parametrize(
    ("row", "owner"),
    [
        ({"id": "a", "job": "enhance", "face_table": None}, "enhance"),
        ({"id": "a", "scorer": None}, "evaluate"),
        ({"id": "a", "whisper": None}, "analyze"),
        ({"id": "a", "held_out": None}, "train"),
        ({"id": "a", "face_table": None}, "dub"),
    ],
)
def test_a_run_that_was_killed_before_its_record_is_known_by_its_rows(tmp_path, row, owner):
    put(str(tmp_path), "outcomes/a.json", row)
    assert owner_of(str(tmp_path)) == owner


def test_the_same_job_goes_on_and_another_is_refused(place):
    assert owner_of(place) is None
    check_out(place, "dub")
    assert storage.list_tree(place) == set()
    put(place, "run.json", {"job": "dub", "settings": {}, "run": "1", "began": 1.0})
    check_out(place, "dub")
    for other in ("evaluate", "train pose", "report"):
        with pytest.raises(SettingsError) as caught:
            check_out(place, other)
        assert str(caught.value) == (
            f"-o {place}: holds a run of `lipsync-ray dub`; expected a new folder, or one of `lipsync-ray {other}`"
        )
    with pytest.raises(SettingsError, match=r"lies in .*out, which holds a run of `lipsync-ray dub`"):
        check_out(storage.join(place, "metrics", "more"), "evaluate")
    assert storage.list_tree(place) == {"run.json"}


def test_another_kind_of_training_is_another_owner(place):
    put(place, "run.json", {"job": "train", "settings": {"kind": "expert"}})
    check_owner(place, "train expert")
    with pytest.raises(SettingsError, match=r"holds a run of `lipsync-ray train expert`; expected .* train generator"):
        check_owner(place, "train generator")


def test_a_run_inside_of_another_that_an_older_version_allowed_goes_on(tmp_path):
    put(str(tmp_path), "run.json", {"job": "dub", "settings": {}, "run": "1", "began": 1.0})
    put(str(tmp_path), "scores/run.json", {"job": "evaluate", "settings": {}})
    check_owner(str(tmp_path / "scores"), "evaluate")


def test_a_foreign_run_json_is_not_overwritten_and_binds_no_folder_below(tmp_path):
    (tmp_path / "run.json").write_text("speed: 3")
    with pytest.raises(SettingsError, match=r"holds a run.json that no run of lipsync-ray wrote"):
        check_owner(str(tmp_path), "dub")
    check_owner(str(tmp_path / "below"), "dub")


def test_a_reports_page_is_a_reports_folder(place):
    storage.commit_bytes(storage.join(place, "report", "index.html"), b"<html>")
    check_owner(place, "report")
    assert "the page of `lipsync-ray report`" in describe_owner(owner_of(place) or "")
    with pytest.raises(SettingsError, match="lipsync-ray report"):
        check_owner(place, "evaluate")
    with pytest.raises(ManifestError, match="the page of `lipsync-ray report`; expected the folder of a run"):
        record_of(place)


def test_who_reads_a_folder_says_what_was_expected(place):
    with pytest.raises(FileNotFoundError):
        record_of(place, "dub")
    put(place, "run.json", {"job": "analyze", "settings": {}})
    assert record_of(place)["job"] == "analyze"
    with pytest.raises(ManifestError) as caught:
        record_of(place, "dub", "enhance")
    assert caught.value.problems == [
        "holds a run of `lipsync-ray analyze`; expected the folder of a finished run of `lipsync-ray dub` or "
        "`lipsync-ray enhance`"
    ]
    with pytest.raises(FileNotFoundError):  # a file is no folder
        record_of(storage.join(place, "run.json"), "dub")


def test_a_file_in_its_place(place):
    storage.commit_bytes(place, b"somebody's")
    with pytest.raises(SettingsError, match=r"out: a file; expected a folder"):
        check_out(place, "dub")
    assert storage.read_bytes(place) == b"somebody's"
    storage.remove(place)


@pytest.mark.parametrize("name", ["a.mp4", "a.MOV", "s.csv", "model.safetensors", "b/x.Parquet"])
def test_a_folder_does_not_get_a_files_name(tmp_path, name):
    with pytest.raises(SettingsError, match="the name of a file; the results go into a folder"):
        check_out(str(tmp_path / name), "dub")
    assert list(tmp_path.iterdir()) == []
    put(str(tmp_path / name), "run.json", {"job": "dub", "settings": {}})  # an older version made it: it goes on
    check_out(str(tmp_path / name), "dub")


def test_a_folder_where_the_video_is_to_be(place):
    put(f"{place}.mp4", "run.json", {})
    with pytest.raises(SettingsError, match=r"out.mp4: a folder; expected the name of the video"):
        check_pair(f"{place}.mp4")
    storage.remove(f"{place}.mp4")
    check_pair("xyz://nobody/knows.mp4")  # what is wrong with it, the check of the run's folder says


def test_folders_with_dots_are_folders(tmp_path):
    for name in ("run.v2", "2024.06.01", "a.run", ".hidden"):
        check_out(str(tmp_path / name), "dub")
        check_pair(str(tmp_path / name))
    with pytest.raises(SettingsError, match="-o is empty"):
        check_out("", "dub")


def test_endings_are_read_as_people_write_them():
    for name in ("a.mp4", "a.MP4", "s3://b/a.Mp4", "a b.mP4", "a.MOV", "a.mkv", "a.WebM"):
        check_pair(name)
        assert is_video(name)
    assert not is_video("mp4")
    for ending in ("ts", "AVI", "avi", "m4v", "gif", "wav", "png"):
        with pytest.raises(
            SettingsError,
            match=rf"\.{ending.lower()} is not supported; .* ends in \.mp4 or \.mov or \.mkv or \.webm, or a",
        ):
            check_pair(f"up.{ending}")


def test_records_name_their_job_and_no_other_reads_them(place):
    mine, old = Kept("a", "done", "f"), Kept("b", "done", "f")
    ROWS.commit(place, 0, [mine], "dub")
    put(place, "outcomes/b.json", {"id": "b", "status": "done", "fingerprint": "f"})  # as before they named it
    assert json.loads(storage.read_bytes(storage.join(place, "outcomes", "00000000-00000000.1.jsonl")))["job"] == "dub"
    assert ROWS.read(place, ["a", "b"], "dub") == {"a": mine, "b": old}
    assert ROWS.read(place, ["a", "b"], "enhance") == {"b": old}
    assert ROWS.kept(place, {"a": "f"}, lambda row: True, "dub") == {"a": mine}
    assert [row["id"] for row in all_values(place, "evaluate")] == ["b"]
