"""``import lipsync_ray``: the jobs as functions."""

import ast
import inspect
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

import lipsync_ray
from lipsync_ray import errors
from lipsync_ray.io.results import read_results
from lipsync_ray.media.probe import probe_video
from lipsync_ray.settings import Workers

HERE = Workers(engine="inline")


def test_what_is_public_is_sorted_there_and_what_type_checkers_see():
    assert list(lipsync_ray.__all__) == sorted(lipsync_ray.__all__)
    assert {*lipsync_ray.__all__} <= {*dir(lipsync_ray)}
    tree = ast.parse(Path(lipsync_ray.__file__).read_text())
    seen = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    assert {*lipsync_ray.__all__} == seen - {"annotations", "import_module", "TYPE_CHECKING", "Any"}
    for name in lipsync_ray.__all__:
        public = getattr(lipsync_ray, name)
        assert public.__doc__
        if inspect.isfunction(public):
            parameters = inspect.signature(public).parameters
            assert all(p.annotation is not inspect.Parameter.empty for p in parameters.values())
            assert "console" not in parameters
    with pytest.raises(AttributeError, match="it has AccessError, Analysed"):
        lipsync_ray.dubb  # noqa: B018


def test_what_a_caller_catches_or_annotates_is_public():
    public = {*lipsync_ray.__all__}
    assert {
        name for name, kind in vars(errors).items() if inspect.isclass(kind) and kind.__module__ == "lipsync_ray.errors"
    } <= public
    others = {"EngineKind", "Location", "None", "PathLike", "Sequence"}
    for name in public:
        function = getattr(lipsync_ray, name)
        if inspect.isfunction(function):
            hints = function.__annotations__
            assert {word for hint in hints.values() for word in re.findall(r"[A-Z]\w+", hint)} <= public | others, name
            result = getattr(lipsync_ray, hints["return"], None)
            rows = [str(field.type) for field in fields(result)] if is_dataclass(result) else []
            assert {row for kind in rows for row in re.findall(r"list\[([A-Z]\w+)", kind)} <= public, name


def test_its_import_is_cheap():
    heavy = ("torch", "ray", "av", "cv2", "numpy", "rich", "typer")
    code = "import sys, lipsync_ray; lipsync_ray.DubSettings(); lipsync_ray.TrainSettings()\n"
    code += f"print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_pair_becomes_a_video_and_nothing_else(demo_inputs, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    summary = lipsync_ray.dub(demo_inputs / "pan.mp4", demo_inputs / "en.ogg", out, model="mini", progress=False)
    assert summary.complete
    (result,) = summary.results
    assert (result.output, result.model) == (str(out), "mini")
    assert probe_video(str(out)).frames == result.frames
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert capsys.readouterr().out == ""


def test_a_pair_that_cannot_be_dubbed_leaves_no_video(demo_inputs, tmp_path):
    summary = lipsync_ray.dub(demo_inputs / "en.ogg", demo_inputs / "en.ogg", tmp_path / "out.mp4", model="mini")
    assert [result.status for result in summary.results] == ["failed"]
    assert not (tmp_path / "out.mp4").exists()


def test_the_other_jobs_follow_one_another(demo_inputs, tmp_path, capsys):
    (tmp_path / "t.csv").write_text(f"video,audio,language\n{demo_inputs}/pan.mp4,{demo_inputs}/en.ogg,en\n")
    quiet = {"workers": HERE, "progress": False}
    settings = lipsync_ray.AnalyzeSettings(whisper="none", frames=2)
    analysed = lipsync_ray.analyze(tmp_path / "t.csv", tmp_path / "analysis", settings=settings, **quiet)
    assert [analysis.verdict for analysis in analysed.analyses] == ["good", "good"]
    dubbed = lipsync_ray.dub_table(
        tmp_path / "t.csv", tmp_path / "run", model="mini", analysis=tmp_path / "analysis/analysis.parquet", **quiet
    )
    assert dubbed.results == read_results(str(tmp_path / "run"))
    settings = lipsync_ray.EvaluateSettings(scorer="mini-sync", fid="none", min_track=10)
    evaluated = lipsync_ray.evaluate(tmp_path / "run", tmp_path / "scores", settings=settings, previews=1, **quiet)
    assert evaluated.complete
    assert (tmp_path / "scores" / "report" / "index.html").stat().st_size > 100_000
    assert capsys.readouterr().out == ""


def test_settings_are_refused_before_anything_is_written(tmp_path, demo_inputs):
    with pytest.raises(lipsync_ray.LipsyncError, match="neither a registered name"):
        lipsync_ray.dub(demo_inputs / "pan.mp4", demo_inputs / "en.ogg", tmp_path / "o.mp4", model="mimi")
    with pytest.raises(lipsync_ray.LipsyncError, match="go into a folder"):
        lipsync_ray.dub_table(demo_inputs / "manifest.csv", tmp_path / "o.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_named_alike_by_all_that_dub_or_plan_dubs():
    for function in (lipsync_ray.dub, lipsync_ray.dub_table, lipsync_ray.quote_table, lipsync_ray.calibrate):
        assert inspect.signature(function).parameters["model"].default is None


def test_a_plan_is_of_the_model_that_is_named(demo_inputs, tmp_path):
    settings = lipsync_ray.DubSettings(model="mini")
    plan = {"workers": HERE, "settings": settings}
    with pytest.raises(lipsync_ray.WeightsError, match="--model mimi: neither a registered name"):
        lipsync_ray.quote_table(demo_inputs / "manifest.csv", tmp_path / "o", model="mimi", **plan)
    assert lipsync_ray.quote_table(demo_inputs / "manifest.csv", tmp_path / "o", model="warp", **plan).frames > 0
