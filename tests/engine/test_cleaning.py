"""What is removed of a run's folder, and what is not; here and in a bucket."""

import json

import pytest
import s3fs
from rich.console import Console
from typer.testing import CliRunner

from lipsync_ray.cli.app import app
from lipsync_ray.engine.cleaning import clean, contents
from lipsync_ray.engine.occupancy import run_lock
from lipsync_ray.errors import SettingsError
from lipsync_ray.io import storage

QUIET = Console(quiet=True)
KEY = "0123456789abcdef"
# job → what stays, what goes, and what goes with --all-of-people
FILES = {
    "dub": (
        ["results.parquet", "outcomes/a.json", "outcomes/00000000-00000000.1.jsonl", "outcomes/00000001-00000064.9.parquet", "videos/a.mp4", "index.html", "reviewed.json", "speakers.parquet", "speakers.csv"],
        [
            f"faces/pan-{KEY}.parquet", f"faces/parts/{KEY}/0-30.npz", f"faces/meshes/{KEY}.mesh", f"faces/meshes/{KEY}.mesh.mouths",
            f"faces/meshes/parts/{KEY}/0-30.npy", f"faces/encodings/{KEY}.json", f"faces/encodings/{KEY}/0-8.npz",
            f"faces/speakers/{KEY}.json", f"faces/speakers/parts/{KEY}/0-100.npz",
            f"heads/{KEY}.latents", f"heads/{KEY}/3", f"sources/{KEY}.mel", f"sources/{KEY}.mel.json", f"sources/{KEY}.voice", f"sources/{KEY}-3.mel",
            f"sources/{KEY}.whisper-0a1b2c3d", f"parts/a/{KEY}-0-100.mp4",
        ],
        [f"faces/people/{KEY}-0.jpg", "pictures/a.png", "pictures/a-strip.jpg", "pictures/parts/b/000000004.png"],
    ),
    "enhance": (["videos/a.mp4", "images/b.png"], [f"faces/a-{KEY}.parquet", f"parts/b/{KEY}-0-1.png"], ["pictures/b.png"]),
    "evaluate": (
        ["metrics/videos.csv", "fid/distances.json", "report/index.html", "report/tables.md"],
        [f"tracks/a-{KEY}.npz", f"sources/{KEY}.{KEY}.npz", f"parts/a-{KEY}/0-10.npz"],
        ["media/a-0123456789ab.jpg", "media/a-0123456789ab.webm", "media/cuttings/a/0.npz"],
    ),
    "analyze": (
        ["analysis.parquet", "index.html", "warnings.csv", "speakers.csv", "speakers.parquet", "a/report.txt"],
        [f"sources/{KEY}.mel", f"faces/a-{KEY}.parquet", f"faces/parts/{KEY}/0-30.npz", f"faces/speakers/{KEY}.json"],
        ["people/a-0.jpg", "a/faces/000003-0.png", "a/clips/000003.wav", "a/thumbnail.jpg"],
    ),
    "train": (
        ["model.safetensors", "clips.parquet", "MODEL_CARD.md", f"checkpoints/pose-0-{KEY}.pt"],
        [f"clips/{KEY}.npz", f"corpus/{KEY}/lips.raw"],
        [],
    ),
}  # fmt: skip
THEIRS = ["notes.txt", "faces/me.jpg", f"faces/{KEY}.txt", "sources/take 1.wav", "videos/raw.avi", "parts/a.txt"]


def make(out, job, files):
    storage.commit_bytes(
        storage.join(out, "run.json"), json.dumps({"job": job, "run": "1-a", "began": 1.0, "settings": {}}).encode()
    )
    for path in files:
        storage.commit_bytes(storage.join(out, path), b"x" * 100)


@pytest.mark.parametrize("job", list(FILES))
@pytest.mark.parametrize("previews", [False, True])
def test_what_is_made_again_goes_and_nothing_else(place, job, previews):
    stays, goes, shown = FILES[job]
    make(place, job, [*stays, *goes, *shown, *THEIRS])
    planned = contents(place, previews)
    before = storage.list_tree(place)
    expected = {*goes, *(shown if previews else ())}
    assert {path for one in planned if one.goes for path in one.files} == expected
    assert {path for one in planned if one.use is None for path in one.files} == set(THEIRS)
    assert storage.list_tree(place) == before
    assert clean(place, previews, QUIET) == planned
    assert storage.list_tree(place) == {"run.json", *stays, *THEIRS, *(() if previews else shown)}
    assert not [one for one in contents(place, previews) if one.goes]


def test_files_of_a_bucket_go_by_the_thousand(bucket_requests):
    s3fs.S3FileSystem().mkdirs("cleaned", exist_ok=True)
    make("s3://cleaned/out", "dub", [f"sources/{number:016x}.mel" for number in range(20)])
    bucket_requests.clear()
    clean("s3://cleaned/out", False, QUIET)
    assert storage.list_tree("s3://cleaned/out") == {"run.json"}
    assert len([one for one in bucket_requests if one.startswith("delete")]) <= 2  # one of them is the lock's


def test_folders_that_are_left_empty_go(tmp_path):
    make(
        str(tmp_path),
        "dub",
        [f"heads/{KEY}.latents", f"faces/meshes/{KEY}.mesh", f"sources/{KEY}.mel", "sources/mine.wav"],
    )
    (tmp_path / "parts").mkdir()
    (tmp_path / "mine").mkdir()
    clean(str(tmp_path), False, QUIET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "run.json", "sources"]


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path):
    out, other = tmp_path / "run", tmp_path / f"pan-{KEY}.parquet"
    other.write_bytes(b"mine")
    make(str(out), "dub", [f"sources/{KEY}.mel"])
    (out / "faces").mkdir()
    (out / "faces" / other.name).symlink_to(other)
    clean(str(out), False, QUIET)
    assert other.read_bytes() == b"mine"


def test_a_run_that_works_there_keeps_its_files(place):
    make(place, "dub", [f"sources/{KEY}.mel"])
    with run_lock(place, QUIET), pytest.raises(SettingsError, match="another run works there"):
        clean(place, False, QUIET)
    assert f"sources/{KEY}.mel" in storage.list_tree(place)
    clean(place, False, QUIET)
    assert storage.list_tree(place) == {"run.json"}


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (None, "contains no run"),
        ({"name": "mine"}, "that no run of lipsync-ray wrote"),
        ({"job": "toy"}, "lipsync-ray toy"),
    ],
)
def test_a_folder_of_something_else_is_not_touched(place, record, text):
    storage.commit_bytes(storage.join(place, f"sources/{KEY}.mel"), b"x")
    if record is not None:
        storage.commit_bytes(storage.join(place, "run.json"), json.dumps(record).encode())
    before = storage.list_tree(place)
    with pytest.raises(SettingsError, match=text):
        clean(place, True, QUIET)
    assert storage.list_tree(place) == before


def test_the_command_lists_sizes_and_removes_nothing_in_a_dry_run(tmp_path):
    make(str(tmp_path), "dub", [f"sources/{KEY}.mel", "pictures/a.png", "notes.txt"])
    done = CliRunner().invoke(app, ["clean", str(tmp_path), "--dry-run", "--all-of-people"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    assert "2 files, 0.00 MB would be removed" in done.output
    assert "files that this run did not make: notes.txt" in done.output
    assert (tmp_path / "pictures" / "a.png").exists()
    assert CliRunner().invoke(app, ["clean", str(tmp_path)]).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "pictures", "run.json"]
