"""A folder where a file is expected: what to write in its place, in every command."""

import pytest

from lipsync_ray.cli import app
from lipsync_ray.errors import ManifestError
from lipsync_ray.io.manifest import one_dub, read_manifest
from lipsync_ray.jobs.analyze.files import read_files
from lipsync_ray.jobs.enhance.sources import read_items


@pytest.fixture(params=["local", "s3"])
def place(request, tmp_path):
    if request.param == "local":
        for name in ("in.put/a.mp4", "in.put/b.mp4", "a.wav"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
        return str(tmp_path)
    request.getfixturevalue("s3_server")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    if not store.exists("folders"):
        store.mkdir("folders")
    for name in ("in.put/a.mp4", "in.put/b.mp4", "a.wav"):
        store.pipe_file(f"folders/{name}", b"x")
    return "s3://folders"


@pytest.mark.parametrize("end", ["", "/"])
def test_an_analysis_names_the_pattern(place, end):
    with pytest.raises(ManifestError) as caught:
        read_files([f"{place}/in.put{end}"])
    (problem,) = caught.value.problems
    assert problem.endswith(f"a folder; name the files in it: {place}/in.put/*")
    assert len(read_files([f"{place}/in.put/*"])) == 2


def test_of_a_table_and_a_pair_a_file_is_expected(place, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(f"video,audio\n{place}/in.put,{place}/a.wav\n{place}/in.put/a.mp4,{place}/in.put\n")
    with pytest.raises(ManifestError) as caught:
        read_manifest(str(table))
    assert [problem.rpartition(": ")[2] for problem in caught.value.problems] == ["a folder; expected a media file"] * 2
    with pytest.raises(ManifestError, match="a folder; expected a media file"):
        one_dub(f"{place}/in.put", f"{place}/a.wav")


def test_a_folder_with_a_dot_in_its_name_may_be_a_run(place):
    with pytest.raises(ManifestError, match=r"neither a video nor the folder of a finished dub run"):
        read_items([f"{place}/in.put"], None)
    with pytest.raises(ManifestError, match="a folder; expected a media file"):
        read_items([f"{place}/in.put", f"{place}/in.put/a.mp4"], None)


def test_a_folder_called_like_a_table(tmp_path):
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(ManifestError, match="a folder; expected a table"):
        read_manifest(str(tmp_path / "t.csv"))


def test_dub_says_what_it_takes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["lipsync-ray", "dub", str(tmp_path), "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        app.main()
    assert f"{tmp_path}: a folder; a single video needs its audio" in capsys.readouterr().err
