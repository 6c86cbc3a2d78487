"""What `--only-new` compares with an earlier evaluation in the folder."""

import json

import pytest

from lipsync_ray import addresses
from lipsync_ray.errors import SettingsError
from lipsync_ray.jobs.evaluate.inputs import unlisted_scores
from lipsync_ray.jobs.evaluate.scores import SCORES, SCORES_VERSION, Score
from lipsync_ray.jobs.evaluate.state import EVALUATE
from lipsync_ray.settings import EvaluateSettings, SampleSettings

FILE = "https://models.example/sync.safetensors?versionId=3"


def settings(weights=None, **more):
    return EvaluateSettings(scorer_weights=weights, rows=SampleSettings(only_new=True), **more)


def earlier(folder, before, **more):
    """An evaluation of a and b."""
    record = {"job": "evaluate", "settings": before.record(), "scores_version": SCORES_VERSION} | more
    (folder / "run.json").write_text(json.dumps(addresses.cleaned(record)))
    rows = [Score(name, f"{name}.mp4", None, None, None, "scored") for name in "ab"]
    SCORES.commit(str(folder), 0, rows, EVALUATE.name)
    return str(folder)


def test_scores_of_rows_that_are_gone_are_found(tmp_path):
    out = earlier(tmp_path, settings())
    assert [score.id for score in unlisted_scores(out, settings(), {"a"})] == ["b"]


def test_a_url_that_is_signed_again_is_the_same_option(tmp_path):
    out = earlier(tmp_path, settings(f"{FILE}&X-Amz-Signature=one"))
    for name in ("one", "two"):
        assert len(unlisted_scores(out, settings(f"{FILE}&X-Amz-Signature={name}"), {"a"})) == 1
    with pytest.raises(SettingsError, match=r"other options \(scorer_weights\)"):
        unlisted_scores(out, settings(FILE.replace("3", "4")), {"a"})


@pytest.mark.parametrize("version", [SCORES_VERSION - 1, None])
def test_scores_of_another_version_are_refused(tmp_path, version):
    out = earlier(tmp_path, settings(), scores_version=version)
    with pytest.raises(SettingsError, match="another version of lipsync-ray"):
        unlisted_scores(out, settings(), {"a"})
