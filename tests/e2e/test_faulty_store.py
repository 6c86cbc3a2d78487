"""Dub, enhance and evaluate in a bucket whose store is busy, hangs up, cuts off and is slow."""

import json
from collections import Counter

import pytest
import s3fs
from clips import write_video
from commands import frame_digests, lipsync_ray
from faulty_store import faulty_store
from material import random_gfpgan

from lipsync_ray.io import storage
from lipsync_ray.io.results import read_results
from lipsync_ray.jobs.evaluate.scores import SCORES
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video

pytestmark = pytest.mark.nightly

RATES = {"busy": 0.03, "reset": 0.01, "cut": 0.01, "slow": 0.03}


def shortened(video, folder):
    """Its first 60 frames."""
    info = probe_video(str(video))
    return write_video(folder / video.name, [p.bgr()[..., ::-1] for p in decode.pictures(info, 0, 60)])


def chain(bucket, network, engine):
    """Exit statuses of the three jobs, everything in the bucket; the first by this engine."""
    dub = lipsync_ray(
        "dub", f"s3://{bucket}/table.csv", "-o", f"s3://{bucket}/run", "--model", "warp", "--segment", "1",
        "--length", "shortest", engine=engine,
    )  # fmt: skip
    enhance = lipsync_ray("enhance", f"s3://{bucket}/run", "-o", f"s3://{bucket}/better", "--restore", network)
    evaluate = lipsync_ray(
        "evaluate", f"s3://{bucket}/run", "-o", f"s3://{bucket}/scores", "--scorer", "mini-sync", "--fid", "none",
        "--previews", "1", "--min-track", "50",
    )  # fmt: skip
    return dub, enhance, evaluate


def test_the_whole_chain_over_a_store_that_fails(s3_server, cluster, demo_inputs, tmp_path, monkeypatch):
    network = str(random_gfpgan(tmp_path / "narrow.pth", 0.0625))
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    for bucket in ("calm", "rough"):
        store.mkdir(bucket)
        for name in ("pan.mp4", "sway.mp4"):
            store.put_file(str(shortened(demo_inputs / name, tmp_path)), f"{bucket}/in/{name}")
        for name in ("en.ogg", "ko.ogg"):
            store.put_file(str(demo_inputs / name), f"{bucket}/in/{name}")
        rows = ["in/pan.mp4,in/en.ogg", "in/sway.mp4,in/ko.ogg"]
        store.pipe_file(f"{bucket}/table.csv", ("video,audio\n" + "\n".join(rows) + "\n").encode())
    assert chain("calm", network, "ray") == (0, 0, 0)
    with faulty_store(s3_server, seed=7) as faults:
        faults.rates = RATES
        monkeypatch.setenv("AWS_ENDPOINT_URL", faults.address)
        s3fs.S3FileSystem.clear_instance_cache()
        assert chain("rough", network, "inline") == (0, 0, 0)
        met, sent = dict(faults.met), dict(faults.bytes_of)
        passes = {one["name"]: one for one in json.loads(storage.read_bytes("s3://rough/run/run.json"))["passes"]}
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    s3fs.S3FileSystem.clear_instance_cache()
    assert met.keys() == RATES.keys()
    store = s3fs.S3FileSystem()
    for job in ("run", "better", "scores"):
        # Names hold fingerprints of addresses; as many of each kind is what can be compared.
        left = [Counter(name.split("/")[2] for name in store.find(f"{bucket}/{job}")) for bucket in ("calm", "rough")]
        assert left[0] == left[1]
        assert not {"parts", "attempts", "running.json"} & left[1].keys()
    for calm, rough in zip(read_results("s3://calm/run"), read_results("s3://rough/run"), strict=True):
        assert (rough.status, rough.frames, rough.warnings) == ("done", calm.frames, calm.warnings)
        assert frame_digests(rough.output) == frame_digests(calm.output)
    calm, rough = (SCORES.read_table(f"s3://{bucket}/scores") for bucket in ("calm", "rough"))
    assert [(one.status, one.openness_corr, one.sync_cosine, one.mini_sync_c) for one in rough] == [
        (one.status, one.openness_corr, one.sync_cosine, one.mini_sync_c) for one in calm
    ]
    # Everything that was read of a source, by eight segments, two looks for faces, landmarks and two jobs.
    assert 0 < passes["lips"]["bytes"] < sum(sent.values())
    assert 0 < passes["faces"]["bytes"] < sum(sent.values())
    size = store.size("rough/in/pan.mp4")
    assert sent["/rough/in/pan.mp4"] < 40 * size
