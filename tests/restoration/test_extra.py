"""Restoring needs no optional package, but for its outline of the face and GFPGAN's own detector."""

import io

import pytest
from material import random_gfpgan
from rich.console import Console

from lipsync_ray.errors import ModelError
from lipsync_ray.jobs.enhance import job
from lipsync_ray.models import extras
from lipsync_ray.restoration.weights import resolve
from lipsync_ray.settings import EnhanceSettings, RestoreSettings, Workers


@pytest.fixture(autouse=True)
def without_facexlib(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)


def test_faces_are_restored_without_it(tmp_path):
    network = random_gfpgan(tmp_path / "narrow.pth", 0.0625)
    assert resolve(RestoreSettings(model=str(network))).name == "narrow"


def test_the_outline_names_what_to_install():
    with pytest.raises(
        ModelError, match=r"--restore-mask parsing needs facexlib.*pip install 'lipsync-ray\[restore\]'"
    ):
        resolve(RestoreSettings(mask="parsing"))


def test_the_detector_names_what_to_install(tmp_path):
    settings = EnhanceSettings(detector="retinaface")
    with pytest.raises(ModelError, match=r"--restore-detector retinaface needs facexlib"):
        job.run([], {}, settings, Workers(engine="inline"), str(tmp_path / "out"), Console(file=io.StringIO()))
    assert not (tmp_path / "out").exists()
