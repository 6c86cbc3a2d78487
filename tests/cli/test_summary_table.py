"""Whatever is missing of a row, every table, report and notebook still shows it."""

import ast
import io
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from lipsync_ray.cli import analyze, evaluate, summary_table
from lipsync_ray.io.formatting import number, share
from lipsync_ray.io.results import RESULTS, Result, Summary, line_of
from lipsync_ray.io.turns import Turn
from lipsync_ray.jobs.analyze.analysis import Analysis, FoundFace, Guess, PersonInVideo
from lipsync_ray.jobs.analyze.assemble import report_text
from lipsync_ray.jobs.analyze.job import Analysed
from lipsync_ray.jobs.analyze.page import write_page
from lipsync_ray.jobs.evaluate.fid import Fid
from lipsync_ray.jobs.evaluate.job import Evaluated
from lipsync_ray.jobs.evaluate.scores import METRICS, Score
from lipsync_ray.jobs.evaluate.summary import (
    GroupRow,
    Stat,
    csv_text,
    flat_rows,
    groups,
    markdown,
    parquet,
    score_row,
)
from lipsync_ray.models.spoken import Phrase
from lipsync_ray.report import figures
from lipsync_ray.report.page import FinishedEvaluation, _page

RESULT = Result(
    "a-ko", "a.mp4", "ko.wav", "ko", "done", "join", "why", "out/a-ko.mp4", "mini", 100, 3, 97, 1, 2.5, 4.0, "25", 640, 480, 4,
    1, 1, "a.parquet", "f00", ("interlaced",), "20260101", 900, 2,
)  # fmt: skip
SCORE = Score(
    id="a",
    video="a.mp4",
    reference="b.mp4",
    language="ko",
    model="mini",
    status="scored",
    stage="score",
    error="why",
    scorer="mini-sync",
    protocol="real",
    lse_d=7.0,
    lse_c=6.0,
    mini_sync_d=0.9,
    mini_sync_c=0.2,
    offset=1,
    tracks=2,
    windows=100,
    best_distance=0.9,
    best_confidence=0.3,
    psnr_db=45.0,
    ssim=0.99,
    sharpness=100.0,
    sharpness_reference=120.0,
    jitter=0.1,
    jitter_reference=0.2,
    compared_frames=5,
    reference_error="no reference",
    frames=100,
    rate="25",
    width=640,
    height=480,
    duration_s=4.0,
    curve=[0.5] * 31,
    confidence=[0.1] * 60,
    confidence_start_s=0.2,
    track_scores=[],
    seconds=3.0,
    attempts=1,
    fingerprint="f",
    openness_corr=0.4,
    openness_corr_best=0.5,
    openness_corr_lag=-2,
    openness_corr_other=0.0,
    openness_corr_undubbed=0.1,
    openness_corr_real=0.5,
    sync_cosine=0.3,
    sync_cosine_best=0.3,
    sync_cosine_lag=0,
    sync_cosine_other=0.0,
    sync_cosine_undubbed=0.1,
    sync_cosine_real=0.4,
    leak=0.9,
    lip_motion=0.8,
    silent_lips=0.01,
    silent_lips_reference=0.02,
    warnings=["its lips repeat the source's"],
    drawn_per_s=12.5,
    gpu_mb=900,
    face_distance=0.2,
    seam=2.5,
    flicker=0.7,
    colour_cast=0.1,
    frame_change=3.0,
    content="c",
    stands_for=2.0,
    spoken_motion=0.05,
    widest_opening=0.3,
    lip_lag=-1,
    lip_lag_gain=0.01,
    faults=["seam: a straight edge"],
)
VIDEO = {
    "container": "mp4", "codec": "h264", "profile": "High", "width": 640, "height": 480, "rotation": 90, "pixel_format": "yuv420p",
    "rate": "25", "average_rate": "25", "varies": True, "frames": 100, "duration_s": 4.0, "bit_rate": 1000, "bytes": 500,
    "has_audio": True, "still": False, "mirrored": True, "interlaced": False,
}  # fmt: skip
AUDIO = {
    "container": "wav", "codec": "pcm_s16le", "sample_rate": 16000, "channels": 1, "samples": 64000, "duration_s": 4.0,
    "bit_rate": 256000, "peak_dbfs": -3.0, "rms_dbfs": -20.0, "silence": 0.1, "loudness_lufs": -23.0,
}  # fmt: skip
FACE = FoundFace(1, 0.04, 0, 0.99, (0.0, 0.0, 1.0, 1.0), (0.0,) * 10, 100.0, 5.0, "a/faces/1.png", "a/clips/1.wav")
ANALYSIS = Analysis(
    "a", "a.mp4", ("video",), ("a-ko",), "id", "done", "poor: small", "poor: small", "good", None, None, ("w",), ("ko",), VIDEO, AUDIO,
    None, "small", 1.0, "text", (Phrase(0.0, 1.0, "text", -1.2, 1.0, 0.8, 0.1, "sampled"),), 1.0, None, "ko", 0.9, ("en",), "text",
    (Phrase(0.0, 1.0, "text"),), 0.0, None, "ko",
    (Guess("ko", 1.0),), (1, 2), 0.5, 1, 100.0, 5.0, (FACE,), "a/thumbnail.jpg", 1.0, 1, "f",
    (PersonInVideo(0, 3.0, 2.0, "people/a-0.jpg"), PersonInVideo(4, 1.0, None, None)), (Turn(0.0, 2.0, 0),), ("a note",), "speakers: why", "f",
)  # fmt: skip
NEEDED = {
    Result: {"id", "video", "audio", "status", "warnings"},
    Score: {"id", "video", "status", "curve", "confidence", "track_scores", "faults"},
    Analysis: {
        "id",
        "url",
        "roles",
        "dubs",
        "identity",
        "status",
        "verdict",
        "warnings",
        "expected_languages",
        "speaker_notes",
    },
}


def with_holes(whole):
    """The row with any of its optional values missing, and any of a dictionary's."""
    optional = [field.name for field in fields(whole) if field.name not in NEEDED[type(whole)]]

    def hole(names, inner):
        values = dict.fromkeys(names)
        for name in optional:
            value = getattr(whole, name)
            if isinstance(value, dict) and name not in values:
                values[name] = {key: None if key in inner else kept for key, kept in value.items()}
        return replace(whole, **values)

    return st.builds(hole, st.sets(st.sampled_from(optional)), st.sets(st.sampled_from([*VIDEO, *AUDIO])))


def console():
    return Console(file=io.StringIO(), width=120)


@given(st.lists(with_holes(RESULT), min_size=1, max_size=3))
def test_results_are_shown(rows):
    where = console()
    summary_table.print_summary(Summary(rows, "out/results.parquet", 1, 3.0), where)
    assert "a-ko" in where.file.getvalue()
    assert all(line_of(row).startswith("a-ko: done") for row in rows)


@given(st.lists(with_holes(SCORE), min_size=1, max_size=4), st.sampled_from([None, float("nan"), -1e-9, 12.0]))
@settings(max_examples=40)
def test_scores_are_shown(scores, distance):
    fids = [Fid("ko", "mini", distance, 100, 100, "few")]
    rows = groups(scores, fids)
    text = markdown(scores, rows)
    assert "Language × model" in text
    assert "nan" not in text
    assert "-0.00" not in text
    assert csv_text(flat_rows(rows))
    assert parquet(flat_rows(rows))
    assert csv_text([score_row(score) for score in scores])
    where = console()
    evaluate._print(Evaluated(scores, fids, "out", 3.0), "page", where)
    assert "scored in" in where.file.getvalue()


@given(with_holes(SCORE), st.booleans())
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_report_page_is_made(tmp_path, score, bare):
    score = replace(score, curve=[], confidence=[]) if bare else score
    record = {"settings": {"scorer": "mini-sync", "protocol": "real"}, "fid_weights": None}
    source = FinishedEvaluation(str(tmp_path), record, [score], [])
    page = _page([source], [score], groups([score], []), [], 5)
    assert "</html>" in page
    assert figures.shift_curve(score, "#000000").startswith("<svg")
    assert figures.confidence_curve(score, "#000000").startswith("<svg")


def test_controls_are_drawn_beside_what_they_control():
    own = next(metric for metric in METRICS if metric.name == "sync_cosine")
    controls = [metric for metric in METRICS if metric.control_of == "sync_cosine"]
    assert [metric.name for metric in controls] == ["sync_cosine_other", "sync_cosine_undubbed", "sync_cosine_real"]
    row = GroupRow("ko", "warp", 3, 3, None, {m.name: Stat(0.3, 0.1, 0.2, 0.4, 3) for m in (own, *controls)}, None)
    alone = figures.bars([row], own, {"warp": "#000000"})
    companions = figures.bars([row], own, {"warp": "#000000"}, controls)
    for word in ("other", "undubbed", "real"):
        assert f">{word}</text>" in companions
        assert f">{word}</text>" not in alone
    assert all(metric.control_of in ("", *(other.name for other in METRICS)) for metric in METRICS)


@given(st.lists(with_holes(ANALYSIS), min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_analyses_are_shown(tmp_path, rows):
    assert all(report_text(row).startswith("a.mp4") for row in rows)
    where = console()
    analyze._print(Analysed(rows, "a.parquet", "index.html", 3.0), where)
    assert "poor" in where.file.getvalue()
    page = Path(write_page(rows, str(tmp_path)))
    assert page.read_text().count('<section class="card file') == len(rows)


@pytest.mark.parametrize(
    "notebook", sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem
)
def test_notebooks_leave_the_showing_of_rows_to_the_library(notebook):
    """No cell formats a number of a row itself, since any of them may be missing."""
    rows = {"score", "worst", "result", "a", "analysis", "summary"}
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
                used = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
                assert used.isdisjoint(rows), ast.unparse(node)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(None, 2, "–"), (float("nan"), 2, "–"), (float("inf"), 0, "–"), (-1e-9, 2, "0.00"), (-0.006, 2, "-0.01"), (1.5, 0, "2"), (3, 1, "3.0")],
)  # fmt: skip
def test_numbers_as_people_read_them(value, digits, text):
    assert number(value, digits) == text
    assert share(None) == "–"
    assert share(0.256) == "26%"


def test_what_an_older_version_wrote_is_still_a_row(tmp_path):
    old = {field.name: getattr(RESULT, field.name) for field in fields(RESULT) if field.name != "warnings"}
    (tmp_path / "outcomes").mkdir()
    (tmp_path / "outcomes" / "a-ko.json").write_text(json.dumps(old))
    assert RESULTS.read(str(tmp_path), ["a-ko"])["a-ko"] == replace(RESULT, warnings=())


def test_consents_are_counted():
    out = io.StringIO()
    rows = [RESULT, replace(RESULT, id="b", consent="signed")]
    summary_table.print_summary(Summary(rows, "out/results.parquet", 1, 2.0), Console(file=out, width=200))
    assert "consent named for 1 of 2" in out.getvalue()
    out = io.StringIO()
    summary_table.print_summary(Summary([RESULT], "out/results.parquet", 1, 2.0), Console(file=out, width=200))
    assert "consent" not in out.getvalue()
