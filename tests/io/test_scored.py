"""The folder of an evaluation as a list of dubs to make anew."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs

from lipsync_ray.errors import ManifestError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import identity
from lipsync_ray.io.scored import ScoredDub, changed_since, flagged, read_scored
from lipsync_ray.jobs.evaluate.scores import FILE, SCORES, Score

SEAM = "seam: a straight edge"


def evaluation(folder, *scores, **record):
    folder.mkdir(exist_ok=True)
    SCORES.write_table(str(folder), scores)
    values = {
        "job": "evaluate",
        "settings": {"scorer": "mini-sync"},
        "run": "r",
        "began": 0.0,
        "ended": 1_700_000_000.0,
    }
    (folder / "run.json").write_text(json.dumps({**values, **record}))
    return str(folder)


def score(name, status="scored", **values):
    return Score(name, f"/out/videos/{name}.mp4", None, None, None, status, content="c", **values)


def test_dubs_with_faults_and_those_that_could_not_be_scored(tmp_path):
    folder = evaluation(
        tmp_path / "scores",
        score("good"),
        score("edge", faults=[SEAM]),
        score("torn", "failed", stage="probe", error="not a readable video"),
        score("undubbed", "failed", stage="dub", error="was not dubbed: failed: damaged"),
        score("silent", "not_scored", error="its sound is silent"),
    )
    scored = read_scored(folder)
    assert {dub.id: dub.faults for dub in scored.dubs} == {
        "good": (),
        "edge": (SEAM,),
        "torn": ("could not be scored: not a readable video",),
        "undubbed": (),
        "silent": (),
    }
    assert scored.time == "2023-11-14T22:13:20.000Z"
    found = flagged(scored, {"edge": "/out/videos/edge.mp4"}, ["good", "edge", "torn", "undubbed", "silent"])
    assert set(found) == {"edge", "torn"}


def test_every_problem_is_named_at_once(tmp_path):
    scored = read_scored(evaluation(tmp_path / "scores", score("a", faults=[SEAM]), score("b", faults=[SEAM])))
    with pytest.raises(ManifestError) as raised:
        flagged(scored, {"a": "/other/videos/a.mp4", "b": "/other/videos/b.mp4"}, ["a", "b"])
    for name in ("a", "b"):
        assert f"{name}: the scores are of /out/videos/{name}.mp4, not of /other/videos/{name}.mp4" in str(raised.value)


def test_dubs_that_the_table_no_longer_has_are_left_out(tmp_path):
    scored = read_scored(evaluation(tmp_path / "scores", score("a", faults=[SEAM]), score("b", faults=[SEAM])))
    assert set(flagged(scored, {"b": "/other/videos/b.mp4"}, ["a"])) == {"a"}


def test_scores_of_another_table_are_refused(tmp_path):
    scored = read_scored(evaluation(tmp_path / "scores", score("a", faults=[SEAM]), score("b")))
    with pytest.raises(ManifestError, match=r"none of its dubs is one of the table's \(c, d\)"):
        flagged(scored, {}, ["c", "d"])


def test_ids_without_faults_may_be_of_a_larger_table(tmp_path):
    scored = read_scored(evaluation(tmp_path / "scores", score("a", faults=[SEAM]), score("b")))
    assert set(flagged(scored, {}, ["a"])) == {"a"}


@pytest.mark.parametrize(
    ("record", "told"),
    [({"ended": None}, "has not ended"), ({"job": "dub"}, "holds a run of `lipsync-ray dub`")],
)
def test_what_is_no_finished_evaluation_is_refused(tmp_path, record, told):
    with pytest.raises(ManifestError, match=told):
        read_scored(evaluation(tmp_path / "scores", score("a"), **record))


def test_nothing_is_no_evaluation(tmp_path):
    with pytest.raises(ManifestError, match="neither a review"):
        read_scored(str(tmp_path))
    folder = evaluation(tmp_path / "scores", score("a"))
    (tmp_path / "scores" / FILE).unlink()
    with pytest.raises(ManifestError, match="neither a review"):
        read_scored(folder)


def test_scores_of_an_older_version_are_refused(tmp_path):
    folder = evaluation(tmp_path / "scores", score("a"))
    table = pq.read_table(tmp_path / "scores" / FILE)
    pq.write_table(
        pa.table({name: table[name] for name in table.column_names if name != "faults"}), tmp_path / "scores" / FILE
    )
    with pytest.raises(ManifestError, match="older version, without faults"):
        read_scored(folder)


def test_which_files_are_not_those_that_were_scored(place):
    urls = [storage.join(place, f"{name}.mp4") for name in "abc"]
    for url in urls:
        storage.commit_bytes(url, b"one")
    dubs = [ScoredDub(url[-5], url, identity(url), (SEAM,)) for url in urls]
    unread = ScoredDub("d", storage.join(place, "d.mp4"), "", (SEAM,))
    assert changed_since([*dubs, unread]) == set()
    storage.commit_bytes(urls[1], b"another")
    storage.remove(urls[2])
    assert changed_since([*dubs, unread]) == {"b"}


def test_many_files_of_a_bucket_are_looked_at_by_a_listing(bucket_requests):
    s3fs.S3FileSystem().mkdirs("scored", exist_ok=True)
    urls = [f"s3://scored/videos/{number}.mp4" for number in range(40)]
    for url in urls:
        storage.commit_bytes(url, b"x")
    dubs = [ScoredDub(url, url, identity(url), (SEAM,)) for url in urls]
    bucket_requests.clear()
    assert changed_since(dubs) == set()
    assert len(bucket_requests) < 10
