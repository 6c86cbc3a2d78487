"""Our GFPGAN against an output of the gfpgan package, with one set of numbers on both sides."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from filled import fill, golden
from material import new_gfpgan, random_gfpgan, random_parsenet

from lipsync_ray import demo
from lipsync_ray.errors import CheckpointError, WeightsError
from lipsync_ray.faces.align import TEMPLATE, inverse, similarity
from lipsync_ray.models import gfpgan, weights
from lipsync_ray.models.gfpgan import Restorer
from lipsync_ray.models.parsing import Parser


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A network of an eighth of the width: fast, and loaded by the same code."""
    return random_gfpgan(tmp_path_factory.mktemp("narrow") / "narrow.pth", 0.125)


@pytest.fixture(scope="module")
def portrait():
    """(h, w, 3) uint8 BGR: the demo's, taken by the US Navy."""
    return cv2.imread(str(Path(demo.__file__).parent / "data" / "portrait.jpg"))


def reference_gfpgan():
    """The network with the numbers of golden/gfpgan.npz, scaled so that the picture has a photograph's range."""
    network = fill(new_gfpgan())
    for name, parameter in network.named_parameters():
        if parameter.shape == (1,):  # how much noise a layer adds
            parameter.data.mul_(0.1)
        if name.endswith("modulation.bias"):
            parameter.data.add_(1)
        if "to_rgb" in name and name.endswith("modulated_conv.weight"):
            parameter.data.div_(64)
    return network


def test_an_aligned_face_is_the_gfpgan_packages_to_one_level(tmp_path, portrait):
    torch.save({"params_ema": reference_gfpgan().state_dict()}, tmp_path / "GFPGANv1.4.pth")
    found = Restorer(tmp_path / "GFPGANv1.4.pth", "cpu", "fp32", 1)(portrait[None, :512, :512])[0, ::4, ::4]
    wanted = golden("gfpgan")["output"]
    assert wanted.std() > 20  # something to compare
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 1


@pytest.mark.nightly
@pytest.mark.slow
def test_a_parsed_mask_is_facexlibs(tmp_path, portrait):
    pytest.importorskip("facexlib", reason="the extra `restore` is not installed")
    from facexlib.parsing.parsenet import ParseNet

    path = random_parsenet(tmp_path / "parsing_parsenet.pth")
    face = np.ascontiguousarray(portrait[:512, :512])
    found = Parser(path, "cpu", "fp32")(face)
    network = ParseNet(in_size=512, out_size=512, parsing_ch=19).eval()
    network.load_state_dict(torch.load(path))
    rgb = torch.from_numpy(face[..., ::-1] / np.float32(127.5) - 1).permute(2, 0, 1)[None]
    with torch.inference_mode():
        wanted = network(rgb)[0].argmax(dim=1)[0].numpy()
    assert (found == wanted).mean() > 0.999
    assert len(np.unique(wanted)) > 1


def test_the_same_face_gives_the_same_face_wherever_it_stands(narrow, one_thread):
    rng = np.random.default_rng(0)
    faces = cv2.resize(rng.integers(0, 255, (5, 5), np.uint8), (512, 512))[None, ..., None].repeat(3, 3)
    faces = np.stack([np.roll(faces[0], 20 * i, axis=1) for i in range(3)])
    restorer = Restorer(narrow, "cpu", "auto", 2)
    once, again = restorer(faces), restorer(faces[[2, 0, 1]])
    assert np.array_equal(once[[2, 0, 1]], again)
    assert restorer(faces[:0]).shape == (0, 512, 512, 3)
    with pytest.raises(ValueError, match="expected"):
        restorer(faces[:, :256])


def test_low_precision_stays_near(narrow, portrait):
    face = np.ascontiguousarray(portrait[None, :512, :512])
    exact, low = (Restorer(narrow, "cpu", precision, 1)(face).astype(int) for precision in ("fp32", "bf16"))
    assert np.abs(exact - low).mean() < 1
    assert np.abs(exact - low).max() <= 8


def test_least_squares_is_the_similarity():
    rng = np.random.default_rng(0)
    for _ in range(20):
        angle, scale, shift = rng.uniform(-1, 1), rng.uniform(0.1, 4), rng.uniform(-300, 300, 2)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = (TEMPLATE - shift) @ np.linalg.inv(turn).T
        assert np.allclose(similarity(points), np.column_stack((turn, shift)))
        back = inverse(similarity(points))
        assert np.allclose(TEMPLATE @ back[:, :2].T + back[:, 2], points)


def test_without_weights_the_error_says_everything(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path))

    def refuse(url, target, progress):
        raise WeightsError(f"{url}: cannot be downloaded: no network")

    monkeypatch.setattr(weights, "download", refuse)
    with pytest.raises(WeightsError) as caught:
        gfpgan.resolve("gfpgan")
    for part in ("GFPGANv1.4.pth", "github.com/TencentARC", "348,632,874 bytes", str(tmp_path), "leave --restore out"):
        assert part in str(caught.value)
    other = Path(tmp_path / "other.pth")
    torch.save({"x": torch.zeros(1)}, other)
    with pytest.raises(CheckpointError, match="GFPGANv1Clean"):
        gfpgan.resolve(str(other))
    with pytest.raises(WeightsError, match="neither a registered name"):
        gfpgan.resolve("nothing.pth")
