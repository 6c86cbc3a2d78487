"""The report page, without a browser."""

import json
import shutil
import sys

import pytest

from lipsync_ray.cli import app
from lipsync_ray.errors import SettingsError
from lipsync_ray.io import storage
from lipsync_ray.jobs.evaluate.scores import SCORES, Score
from lipsync_ray.report.page import write_report

RECORD = {"job": "evaluate", "run": "1-a", "settings": {"scorer": "mini-sync", "protocol": "real"}, "fid_weights": None}


def evaluation(folder, *scores):
    """The folder of a finished evaluation."""
    storage.commit_bytes(storage.join(folder, "run.json"), json.dumps(RECORD).encode())
    storage.commit_bytes(storage.join(folder, "metrics", "fid.json"), b"[]")
    SCORES.write_table(folder, list(scores) or [Score("a", "a.mp4", "s.mp4", "ko", "warp", "scored", mini_sync_c=0.3)])
    return folder


def report(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["lipsync-ray", "report", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code or 0


@pytest.mark.parametrize(
    "spelling", ["{0}/one", "{0}/one/", "one", "./one/", "{0}/link", "{0}/two/../one", "file://{0}/one"]
)
def test_a_folder_that_is_given_twice_is_refused(tmp_path, monkeypatch, capsys, spelling):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        evaluation(str(tmp_path / name))
    (tmp_path / "link").symlink_to(tmp_path / "one")
    assert report(monkeypatch, tmp_path / "one", "two", spelling.format(tmp_path), "-o", "out") == 2
    assert "the same folder as" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_of_a_bucket_that_is_given_twice_is_refused(s3_server, tmp_path):
    import s3fs

    s3fs.S3FileSystem().makedirs("reports", exist_ok=True)
    folder = evaluation("s3://reports/one")
    for spelling in (folder, f"{folder}/", "s3a://reports/one", "s3a://reports/one/"):
        with pytest.raises(SettingsError, match="the same folder as"):
            write_report([folder, spelling], str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_two_evaluations_and_copies_of_one_are_different_folders(tmp_path):
    one = evaluation(str(tmp_path / "one"))
    shutil.copytree(one, tmp_path / "copy")
    page = write_report([one, str(tmp_path / "copy")], str(tmp_path / "out"))
    assert "warp (one)" in storage.read_bytes(page).decode()


@pytest.mark.parametrize(("named", "shown"), [(2, True), (0, False), (None, False)])
def test_consents_are_counted(tmp_path, named, shown):
    folder = evaluation(str(tmp_path / "one"))
    storage.commit_bytes(storage.join(folder, "run.json"), json.dumps(RECORD | {"consent": named}).encode())
    page = storage.read_bytes(write_report([folder], str(tmp_path / "out"))).decode()
    assert ("with a consent named" in page) is shown
