"""Paths of Windows in tables: named with what they would be here."""

import pytest

from lipsync_ray.errors import ManifestError
from lipsync_ray.io import windows
from lipsync_ray.io.manifest import one_dub, read_manifest
from lipsync_ray.io.user_tables import ID, Column, read_rows
from lipsync_ray.jobs.evaluate.evaluation_input import read_inputs


@pytest.mark.parametrize(("path", "said"), [
    (r"C:\Users\me\u_a.mp4", "(in WSL: /mnt/c/Users/me/u_a.mp4)"),
    (r"d:/in/u_a.mp4", "/mnt/d/in/u_a.mp4"),
    (r"/tables/C:\Users\me\u_a.mp4", "/mnt/c/Users/me/u_a.mp4"),
    ("file:///C:/Users/me/u_a.mp4", "/mnt/c/Users/me/u_a.mp4"),
    (r"s3://bucket/in/C:\Users\u_a.mp4", "/mnt/c/Users/u_a.mp4"),
    (r"\\nas\share\x.mp4", "a Windows share: mount it and use its mount path, such as /mnt/nas/share/x.mp4"),
    (r"/tables/\\nas\share\x.mp4", "/mnt/nas/share/x.mp4"),
    (r"/tables/sub\u_a.mp4", "slashes: /tables/sub/u_a.mp4"),
    (r"s3://bucket/sub\u_a.mp4", "slashes: s3://bucket/sub/u_a.mp4"),
])  # fmt: skip
def test_a_path_of_windows_is_shown_as_it_would_be_here(path, said):
    assert said in windows.hint(path)


@pytest.mark.parametrize("path", ["a.mp4", "/in/a: b.mp4", "s3://b/c:d/e.mp4", "https://h/a.mp4", "x:y"])
def test_of_others_nothing_is_said(path):
    assert windows.hint(path) == ""


def test_every_one_of_a_table_is_named_when_it_is_read(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.wav", "sub/u_a.mp4"):
        (tmp_path / name).write_bytes(b"x")
    table = tmp_path / "t.csv"
    table.write_text(
        "video,audio\nC:\\Users\\me\\u_a.mp4,C:\\Users\\me\\a.wav\nsub\\u_a.mp4,a.wav\n\\\\nas\\share\\u_a.mp4,a.wav\n"
    )
    with pytest.raises(ManifestError) as caught:
        read_manifest(str(table))
    one, two, three, four = caught.value.problems
    for problem, column, name in ((one, "audio", "a.wav"), (two, "video", "u_a.mp4")):
        assert problem.startswith(f"row 1, column '{column}'")
        assert f"/mnt/c/Users/me/{name}" in problem
    assert three.startswith("row 2, column 'video'")
    assert f"{tmp_path}/sub/u_a.mp4, which exists" in three
    assert "/mnt/nas/share/u_a.mp4" in four


def test_a_file_with_a_backslash_in_its_name_is_that_file(tmp_path):
    for name in ("sub\\u_a.mp4", "a.wav", "C:\\u_a.mp4"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "t.csv").write_text("video,audio\nsub\\u_a.mp4,a.wav\nC:\\u_a.mp4,a.wav\n")
    one, two = read_manifest(str(tmp_path / "t.csv"))
    assert one.video == f"{tmp_path}/sub\\u_a.mp4"
    assert two.video == f"{tmp_path}/C:\\u_a.mp4"


def test_columns_whose_files_may_be_missing_are_looked_at_too(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"x")
    (tmp_path / "t.csv").write_text("video,reference\nv.mp4,C:\\r.mp4\nv.mp4,gone.mp4\n")
    with pytest.raises(ManifestError) as caught:
        read_inputs(str(tmp_path / "t.csv"), None)
    (problem,) = caught.value.problems
    assert problem.startswith("row 1, column 'reference'")


def test_a_table_and_a_single_pair_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestError, match=r"/mnt/c/in/t\.csv"):
        read_rows("C:\\in\\t.csv", [ID, Column("video")], lambda row: None)
    with pytest.raises(ManifestError, match=r"/mnt/c/in/v.mp4\)[^$]*/mnt/nas/a.wav"):
        one_dub("C:\\in\\v.mp4", "\\\\nas\\a.wav")
