import csv
import io
import tracemalloc
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
import pytest

from lipsync_ray.io import storage
from lipsync_ray.io.removal import remove_files
from lipsync_ray.jobs.evaluate import previews, scores
from lipsync_ray.jobs.evaluate.fid import Fid
from lipsync_ray.jobs.evaluate.previews import Previews, player_name, previewed, strip_name, worst_first
from lipsync_ray.jobs.evaluate.scores import Score, TrackScore
from lipsync_ray.jobs.evaluate.summary import csv_text, flat_rows, groups, markdown, parquet, score_row, stat


def scored(name, language, model, lse_c, **more):
    return Score(
        name, f"{name}.mp4", "r.mp4", language, model, "scored", lse_d=10 - lse_c, lse_c=lse_c, offset=-2, **more
    )


SCORES = [
    *(scored(f"v{i}-ko", "ko", "a", 5 + 0.1 * i, sharpness=8.0, sharpness_reference=10.0) for i in range(5)),
    *(scored(f"v{i}-ko", "ko", "b", 6 + 0.1 * i) for i in range(5)),
    scored("v0-es", "es", "a", 2.0),
    Score("v1-es", "x.mp4", None, "es", "a", "not_scored", stage="score", error="no face | at all"),
]


def test_statistics():
    found = stat([1.0, 2.0, 3.0, 4.0])
    assert (found.mean, found.count) == (2.5, 4)
    assert found.deviation == pytest.approx(np.std([1, 2, 3, 4], ddof=1))
    assert found.low < 2.5 < found.high
    assert stat([1.0, 2.0, 3.0, 4.0]) == found  # seeded
    assert stat([]) is None
    assert (stat([3.0]).deviation, stat([3.0]).low) == (None, None)
    assert stat([2.0, 2.0, 2.0]).low == 2.0


def test_the_interval_narrows_with_more_videos():
    rng = np.random.default_rng(0)
    few, many = stat(rng.normal(0, 1, 8).tolist()), stat(rng.normal(0, 1, 400).tolist())
    assert many.high - many.low < 0.5 * (few.high - few.low)
    assert many.high - many.low == pytest.approx(2 * 1.96 / 20, rel=0.25)


def test_many_videos_need_little_memory():
    values = np.random.default_rng(0).normal(7, 1, 20_000)
    tracemalloc.start()
    found = stat(values.tolist(), np.linspace(1, 2, len(values)).tolist())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.low < 7 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(len(values)), rel=0.2)
    assert peak < 500_000_000  # an index of all but one of each is 3.2 GB


def test_groups_by_language_and_model_and_over_all_languages():
    rows = groups(SCORES, [Fid("ko", "a", 12.0, 30, 30), Fid(None, "a", 9.0, 60, 60)])
    found = [(row.language, row.model, row.videos, row.scored) for row in rows]
    assert found == [("es", "a", 2, 1), ("ko", "a", 5, 5), ("ko", "b", 5, 5), ("all", "a", 7, 6)]
    assert rows[1].stats["lse_c"].mean == pytest.approx(5.2)
    assert rows[1].stats["sharpness_ratio"].mean == pytest.approx(0.8)
    assert rows[1].stats["offset"].mean == 2
    assert "sharpness_ratio" not in rows[2].stats
    assert (rows[1].fid.fid, rows[3].fid.fid, rows[2].fid) == (12.0, 9.0, None)


def test_scorers_are_never_in_one_column():
    mixed = [*SCORES[:2], Score("m", "m.mp4", None, "ko", "a", "scored", mini_sync_d=0.9, mini_sync_c=0.1)]
    row = groups(mixed, [])[0]
    assert (row.stats["lse_c"].count, row.stats["mini_sync_c"].count) == (2, 1)


def test_tables_of_a_study():
    text = markdown(SCORES, groups(SCORES, [Fid("ko", "a", 12.34, 30, 31)]))
    assert "| ko | a | 5/5 |" in text
    assert "12.34 (n = 30/31)" in text
    assert "| v0-ko | 5.000 | 5.000 | 4.000 | 6.000 |" in text
    assert "- v1-es (a): no face | at all" in text
    flat = flat_rows(groups(SCORES, []))
    again = pq.read_table(io.BytesIO(parquet(flat))).to_pylist()
    assert again[1]["lse_c_mean"] == pytest.approx(5.2)
    lines = list(csv.DictReader(io.StringIO(csv_text([score_row(s) for s in SCORES]))))
    assert lines[0]["lse_c"] == "5.0"
    assert lines[-1]["error"] == "no face | at all"
    assert "curve" not in lines[0]


def test_a_groups_fid_keeps_its_counts_and_its_note_in_both_files():
    fids = [Fid("ko", "a", 12.34, 30, 31, "few pictures"), Fid(None, "a", None, 0, 31, "no picture")]
    flat = flat_rows(groups(SCORES, fids))
    stored = pq.read_table(io.BytesIO(parquet(flat))).to_pylist()
    columns = ("language", "model", "fid", "fid_generated", "fid_real", "fid_note")
    assert [tuple(row[name] for name in columns) for row in stored] == [
        ("es", "a", None, None, None, None),
        ("ko", "a", 12.34, 30, 31, "few pictures"),
        ("ko", "b", None, None, None, None),
        ("all", "a", None, 0, 31, "no picture"),
    ]
    texts = list(csv.DictReader(io.StringIO(csv_text(flat))))
    assert [texts[1][name] for name in columns] == ["ko", "a", "12.34", "30", "31", "few pictures"]
    bare = flat_rows(groups(SCORES, []))  # the same columns where FID was left out
    assert bare[0].keys() == flat[0].keys()


def test_scores_survive_storage(tmp_path):
    score = scored("x", "ko", "a", 3.0, curve=[1.0, 2.0], track_scores=[TrackScore(0.0, 5, 7.0, 3.0, 0)])
    out = str(tmp_path)
    scores.SCORES.commit(out, 0, [score], "evaluate")
    assert scores.SCORES.read(out, ["x", "y"]) == {"x": score}
    scores.SCORES.write_table(out, [score, SCORES[-1]])
    assert scores.SCORES.read_table(out) == [score, SCORES[-1]]


def test_worst_come_first_and_unscored_last():
    assert [s.id for s in worst_first(SCORES)][:2] == ["v0-es", "v0-ko"]
    assert worst_first(SCORES)[-1].id == "v1-es"


def test_the_worst_the_best_and_a_sample_are_shown():
    many = [scored(f"v{n:03}", "ko", "a", float(n)) for n in range(100)]
    chosen = [s.id for s in previewed(many, 12)]
    assert len(chosen) == 12
    assert chosen[:6] == [f"v{n:03}" for n in range(6)]
    assert set(chosen) >= {"v097", "v098", "v099"}
    assert chosen == [s.id for s in previewed(many[::-1], 12)] == sorted(chosen)
    assert len(previewed(many, None)) == 100
    assert previewed(many, 0) == []
    assert [s.id for s in previewed(many, 1)] == ["v000"]
    assert len(previewed(SCORES, 4)) == 4
    assert len(previewed(SCORES, 50)) == len(SCORES)


def run_of(folder, scores, **more):
    """What the previews need to know of a run."""
    items = [SimpleNamespace(id=score.id, model=score.model) for score in scores]
    return SimpleNamespace(items=items, rows=scores, url=lambda *names: storage.join(folder, *names), **more)


def test_what_a_report_shows_is_never_dropped_on_the_way(place):
    """However the scores come in: what is dropped meanwhile is not shown in the end."""
    many = [scored(f"v{n:03}", "ko", "a", float((n * 37) % 101)) for n in range(100)]
    held = Previews(run_of(place, many), 8)
    for score in many:
        storage.commit_bytes(storage.join(held.wanted, score.id, "0.npz"), b"x")
    for score in many:
        held.drop_unwanted(score)
    left = {path.split("/")[0] for path in storage.list_tree(held.wanted)}
    assert left >= {s.id for s in previewed(many, 8)}
    assert len(left) <= 100 - previews._MANY


def test_preview_frames_of_many_videos_go_by_few_requests(place):
    many = [scored(f"v{n:03}", "ko", "a", float(n)) for n in range(200)]
    held = Previews(run_of(place, many), 4)
    with (
        mock.patch.object(previews.storage, "list_tree", wraps=storage.list_tree) as listed,
        mock.patch.object(previews, "remove_files", wraps=remove_files) as removed,
        mock.patch.object(previews.storage, "remove") as singly,
    ):
        for score in many:
            held.drop_unwanted(score)
    assert (listed.call_count, removed.call_count, singly.call_count) == (2, 2, 0)


def test_previews_are_complete_without_those_whose_files_are_not_read(tmp_path):
    rows = [scored(name, "ko", "a", 1.0, fingerprint="f" * 12) for name in ("kept", "unlisted", "new")]
    run = run_of(str(tmp_path), rows, known={"new": None})
    held = Previews(run, 12)
    assert held.missing(rows) == {"kept", "unlisted", "new"}
    assert not held.complete
    for name in (strip_name(rows[2]), player_name(rows[2])):
        storage.commit_bytes(run.url("media", name), b"x")
    assert held.complete
    run.known["kept"] = None
    assert not held.complete


def test_shaking_is_not_set_beside_a_still_picture():
    assert scored("x", "ko", "a", 3.0, jitter=0.007, jitter_reference=2e-7).jitter_ratio is None
    assert scored("x", "ko", "a", 3.0, jitter=0.007, jitter_reference=0.0035).jitter_ratio == pytest.approx(2)
