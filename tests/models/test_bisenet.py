import numpy as np
import pytest
import torch
from filled import fill

from lipsync_ray.models.bisenet import BiSeNet, FaceParser
from lipsync_ray.models.weights import Checkpoint


def test_it_is_facexlibs_network():
    reference = pytest.importorskip("facexlib.parsing.bisenet", reason="the extra `restore` is not installed")
    torch.set_num_threads(1)
    ours, theirs = fill(BiSeNet()), fill(reference.BiSeNet(19))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    torch.manual_seed(0)
    picture = torch.randn(1, 3, 512, 512)
    with torch.inference_mode():
        assert (ours(picture) - theirs(picture)[0]).abs().max() < 1e-4


def test_every_pixel_of_a_face_has_a_class(tmp_path):
    torch.save(fill(BiSeNet()).state_dict(), tmp_path / "parser.pth")
    parse = FaceParser(Checkpoint.of(tmp_path / "parser.pth"), "cpu", "fp32")
    face = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    labels = parse(face)
    assert (labels.shape, labels.dtype) == ((512, 512), np.uint8)
    assert labels.max() < 19
    assert not np.array_equal(parse(face[..., ::-1]), labels)  # colours are not taken for one another
