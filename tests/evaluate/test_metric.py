"""A metric is declared once: tables, page, figures and terminal follow from its declaration."""

import ast
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

import lipsync_ray
from lipsync_ray.cli import evaluate
from lipsync_ray.io.records import Records
from lipsync_ray.jobs.evaluate import scores, summary
from lipsync_ray.jobs.evaluate.job import Evaluated
from lipsync_ray.jobs.evaluate.metric import metric, metrics_of
from lipsync_ray.jobs.evaluate.scores import FILE, METRICS, Score
from lipsync_ray.report.page import FinishedEvaluation, _page

PACKAGE = Path(lipsync_ray.__file__).parent
COMPUTED = ("scores.py", "assemble.py", "checks.py", "judged.py", "stages.py", "state.py", "evaluation_input.py")


@dataclass(frozen=True)
class WiderScore(Score):
    """A score with a metric more than this package has."""

    blinks: float | None = metric(
        "blinks a minute", "near 1", 1, "How often the eyes close.", "picture", "blinks", "1/min", in_terminal=True
    )


@pytest.fixture
def wider(monkeypatch):
    for module in (scores, summary):
        monkeypatch.setattr(module, "METRICS", metrics_of(WiderScore))
    return [WiderScore(name, "a.mp4", "b.mp4", "ko", "warp", "scored", blinks=17.25) for name in "abc"]


def test_a_declared_metric_is_a_column_of_every_table(wider, tmp_path):
    url = Records(WiderScore, FILE).write_table(str(tmp_path), wider)
    assert pq.read_table(url).column("blinks").to_pylist() == [17.25] * 3
    assert summary.score_row(wider[0])["blinks"] == 17.25
    assert summary.flat_rows(summary.groups(wider, []))[0]["blinks_mean"] == 17.25
    assert "blinks a minute, 1/min (near 1)" in summary.markdown(wider, summary.groups(wider, []))


def test_a_declared_metric_is_on_the_page_and_in_the_terminal(wider, tmp_path):
    record = {"settings": {"scorer": "mini-sync", "protocol": "real"}, "fid_weights": None}
    page = _page([FinishedEvaluation(str(tmp_path), record, wider, [])], wider, summary.groups(wider, []), [], 5)
    assert page.count("<h3>blinks a minute ") == 1  # its figure
    assert "<dt>blinks a minute</dt><dd>How often the eyes close." in page
    assert '<th class="n">blinks<br>' in page
    shown = Console(file=io.StringIO(), width=200)
    evaluate._print(Evaluated(wider, [], "out", 3.0), "page", shown)
    assert "blinks" in shown.file.getvalue()


def test_a_metric_is_named_where_it_is_declared_and_computed_alone():
    names = {one.name for one in METRICS} | {one.name for one in fields(Score) if one.metadata}
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name != "evaluate" or path.name not in COMPUTED:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and node.value in names - {"offset", "sharpness", "jitter", "ssim"}:
                    found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {node.value}")
    assert not found


def test_declarations_are_complete():
    assert len({one.name for one in METRICS}) == len(METRICS)
    assert all(one.title and one.short and one.meaning.endswith(".") for one in METRICS)
    assert all(one.marker for one in METRICS if one.control_of)
    row = asdict(Score("a", "a.mp4", None, None, None, "scored"))
    assert [one.name for one in METRICS if one.name not in row] == ["sharpness_ratio", "jitter_ratio"]


@pytest.mark.parametrize(
    ("offset", "text", "value"), [(-2, "-2", 2.0), (3, "+3", 3.0), (0, "0", 0.0), (None, "–", None)]
)
def test_a_video_has_the_sign_and_means_are_of_magnitudes(offset, text, value):
    (signed,) = [one for one in METRICS if one.signed and one.name == "offset"]
    score = Score("a", "a.mp4", None, None, None, "scored", offset=offset)
    assert (signed.text(score), signed.value(score)) == (text, value)
