"""FID against pytorch-fid itself, on the same pictures, with one random network on both sides."""

import cv2
import numpy as np
import pytest
import torch
from clips import write_video
from material import random_inception

from lipsync_ray.errors import CheckpointError, WeightsError
from lipsync_ray.faces.choices import Pads
from lipsync_ray.io.formatting import number
from lipsync_ray.jobs.evaluate.face_tracks import FaceTracks
from lipsync_ray.jobs.evaluate.fid import AccumulateFID, FidRow, GroupOrder, Unit, distance, face_pictures, fid_rows
from lipsync_ray.media.probe import probe_video
from lipsync_ray.metrics.frechet import FeatureStats
from lipsync_ray.models import inception
from lipsync_ray.models.weights import Checkpoint

DIMS = 64
GROUP = ("ko", "m")


def pictures(count, seed, blur):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (count, 12, 16, 3), np.uint8)
    large = [cv2.resize(p, (160, 120), interpolation=cv2.INTER_CUBIC) for p in small]
    return [cv2.GaussianBlur(p, (0, 0), blur) for p in large]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return random_inception(tmp_path_factory.mktemp("fid") / "random.pth")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """(video, tracks) of three dubs and their references: faces everywhere, two in some frames."""
    folder = tmp_path_factory.mktemp("clips")
    out = []
    for i in range(3):
        made = probe_video(str(write_video(folder / f"made{i}.mp4", pictures(40, i, 1.5))))
        real = probe_video(str(write_video(folder / f"real{i}.mp4", pictures(30, 10 + i, 0.5))))
        places = np.arange(40)
        source = np.where(places < 30, places, 58 - places)
        boxes = np.stack([[20 + i, 10, 100, 100]] * 40).astype(np.float32)
        none = np.zeros(0, np.int64)
        tracks = FaceTracks(places, source, places, boxes, none, none, np.zeros((0, 3)), np.zeros((0, 4), np.float32))
        url = folder / f"{i}.npz"
        url.write_bytes(tracks.to_bytes())
        out.append((made, real, str(url)))
    return out


def units(clips, every=1):
    for i, (made, real, tracks) in enumerate(clips):
        for side, video in (("generated", made), ("real", real)):
            yield Unit(f"{i}", side, video, tracks, made.width, made.height, Pads(), every, 40, (GROUP,))


def fid_of(rows, weights, dims=DIMS):
    stage = AccumulateFID(Checkpoint.of(weights), dims, "cpu", None)
    for row in rows:
        stage(row)
    urls = {side: tuple(row.url for row in rows if row.side == side) for side in ("generated", "real")}
    return distance(GroupOrder(GROUP, dims, urls["generated"], urls["real"]))


@pytest.mark.nightly
@pytest.mark.slow
def test_it_equals_pytorch_fid_however_it_is_split(clips, weights, tmp_path, monkeypatch):
    from pytorch_fid import fid_score
    from pytorch_fid import inception as module

    for unit in units(clips):
        (tmp_path / unit.side).mkdir(exist_ok=True)
        for n, picture in enumerate(face_pictures(unit)):
            cv2.imwrite(str(tmp_path / unit.side / f"{unit.key}-{n:03}.png"), picture[..., ::-1])
    state = torch.load(weights, weights_only=True)
    monkeypatch.setattr(module, "load_state_dict_from_url", lambda *_, **__: state)
    with pytest.warns(DeprecationWarning, match="disp"):
        wanted = fid_score.calculate_fid_given_paths(
            [str(tmp_path / "generated"), str(tmp_path / "real")], 50, "cpu", DIMS, num_workers=0
        )
    one = fid_of(fid_rows(units(clips), str(tmp_path / "one"), "t"), weights)
    split = [
        FidRow(f"{u.side}{u.key}", u.side, u.groups, (u,), str(tmp_path / f"{u.side}{u.key}.npz")) for u in units(clips)
    ]
    three = fid_of(split, weights)
    assert one.generated == one.real == three.generated == 120
    assert one.fid == pytest.approx(wanted, rel=1e-6)
    assert three.fid == pytest.approx(wanted, rel=1e-6)
    assert one.note == ""


def test_few_pictures_are_warned_of(clips, weights, tmp_path):
    found = fid_of(fid_rows(units(clips, every=4), str(tmp_path), "t"), weights)
    assert found.generated == 30
    assert np.isfinite(found.fid)
    assert "only 30 pictures" in found.note


def test_equal_references_are_summed_once_and_counted_for_each(clips):
    made, real, tracks = clips[0]
    common = (tracks, 160, 120, Pads(), 5, 8)
    some = [
        Unit("a", "generated", made, *common, (("ko", "m"), (None, "m"))),
        Unit("b", "generated", made, *common, (("es", "m"), (None, "m"))),
        Unit("r", "real", real, *common, (("ko", "m"), (None, "m"))),
        Unit("r", "real", real, *common, (("es", "m"), (None, "m"))),
    ]
    rows = fid_rows(some, "fid", "t")
    reals = [row for row in rows if row.side == "real"]
    assert len(reals) == 1
    assert sorted(map(str, reals[0].groups)) == sorted(map(str, [("ko", "m"), ("es", "m"), (None, "m"), (None, "m")]))
    assert len({row.url for row in rows}) == 3


def test_every_so_many_places(clips):
    some = next(units(clips, every=7))
    assert len(list(face_pictures(some))) == 6
    assert next(face_pictures(some)).shape == (224, 224, 3)


def test_a_damaged_video_is_left_out_with_the_reason(clips, weights, tmp_path):
    good, _, bad, *_ = units(clips)
    path = tmp_path / "gone.mp4"
    broken = Unit(
        "bad",
        "generated",
        probe_video(bad.video.url).__class__(**{**vars(bad.video), "url": str(path)}),
        *list(vars(bad).values())[3:],
    )
    path.write_bytes(b"not a video")
    row = FidRow("k", "generated", (GROUP,), (good, broken), str(tmp_path / "k.npz"))
    summed = AccumulateFID(Checkpoint.of(weights), 64, "cpu", None)(row)
    assert summed.pictures == 40
    assert "not a readable video" in summed.left["bad"]


def test_weights_are_asked_for_by_name(tmp_path, monkeypatch):
    from lipsync_ray.models import weights as registry

    monkeypatch.setenv(registry.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(registry, "download", lambda *_: (_ for _ in ()).throw(WeightsError("no network")))
    with pytest.raises(WeightsError, match="--fid none"):
        inception.resolve("inception")
    with pytest.raises(WeightsError, match="neither"):
        inception.resolve("nothing.pth")
    other = tmp_path / "other.pth"
    torch.save({"x": torch.zeros(1)}, other)
    with pytest.raises(CheckpointError, match="Inception"):
        inception.resolve(str(other))


def test_features_that_are_no_numbers_give_a_reason_and_no_number(tmp_path):
    """A single NaN makes scipy's square root run for ever."""
    rng = np.random.default_rng(0)
    good = FeatureStats.of(rng.standard_normal((50, 192)).astype(np.float32))
    features = rng.standard_normal((50, 192)).astype(np.float32)
    features[7, 11] = np.nan
    for name, bad in (
        ("nan", FeatureStats.of(features)),
        ("inf", FeatureStats.of(np.nan_to_num(features, nan=np.inf))),
    ):
        for side, url in ((good, "good"), (bad, name)):
            (tmp_path / url).write_bytes(side.to_bytes())
        for made, real, said in ((name, "good", "dubbed"), ("good", name, "real")):
            order = GroupOrder(("ko", "mini"), 192, (str(tmp_path / made),), (str(tmp_path / real),))
            found = distance(order)
            assert found.fid is None
            assert f"features of the {said} pictures are not all numbers" in found.note


def test_equal_sides_are_zero_and_no_minus(tmp_path):
    side = FeatureStats.of(np.random.default_rng(0).standard_normal((300, 64)).astype(np.float32))
    (tmp_path / "a").write_bytes(side.to_bytes())
    found = distance(GroupOrder(("ko", "mini"), 64, (str(tmp_path / "a"),), (str(tmp_path / "a"),)))
    assert found.fid is not None
    assert 0 <= found.fid < 1e-4
    assert number(found.fid, 2) == "0.00"
