"""The GPU's decoder: what can be seen of it without one, and on one where there is one."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from clips import barcode, write_video

from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.runners import Cluster
from lipsync_ray.errors import DecodeError, SettingsError
from lipsync_ray.media import decode
from lipsync_ray.media.container import main_stream, opened
from lipsync_ray.media.probe import probe_video
from lipsync_ray.settings import DubSettings, Workers

HAS_GPU = torch.cuda.is_available()


@pytest.fixture(scope="module")
def info(tmp_path_factory):
    path = tmp_path_factory.mktemp("decoder") / "a.mp4"
    return probe_video(str(write_video(path, [barcode(i, 256, 128) for i in range(30)], options={"g": "12"})))


@pytest.mark.skipif(HAS_GPU, reason="is for a machine without a GPU")
def test_without_a_gpu_the_error_names_the_option(info):
    with pytest.raises(DecodeError, match=r"--decoder cuda, but no GPU decodes here .*omit the option"):
        next(decode.pictures(replace(info, decoder="cuda"), 0, 4))


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="needs a GPU with NVDEC")
def test_h264_is_the_same_by_nvdec(info):
    """H.264 says each pixel (ITU-T H.264, 8), so that both decoders agree."""
    with opened(info.url, "cuda") as container:
        assert main_stream(container).codec_context.is_hwaccel
    for start, stop in [(0, 30), (5, 9), (13, 30)]:
        ours = decode.pictures(replace(info, decoder="cuda"), start, stop)
        for seen, expected in zip(ours, decode.pictures(info, start, stop), strict=True):
            for plane in "yuv":
                assert np.array_equal(getattr(seen, plane), getattr(expected, plane))


def test_the_gpus_layout_of_chroma_is_taken_apart_exactly(info):
    """NVDEC gives NV12; its planes are those of 4:2:0, in another order."""
    expected = list(decode.pictures(info, 0, 5))
    with opened(info.url) as container:
        for frame, picture in zip(islice(container.decode(video=0), 5), expected, strict=True):
            seen = decode._planes(frame.reformat(format="nv12"), info)
            for plane in "yuv":
                assert np.array_equal(getattr(seen, plane), getattr(picture, plane))


def test_readers_and_writers_get_a_part_of_a_gpu():
    cluster, workers = Cluster(32, 4, 1), Workers()
    plain = allocate(cluster, workers, alone=False)
    layout = allocate(cluster, workers, alone=False, on_gpus=True)
    assert plain.read.gpus == plain.write.gpus == 0
    assert layout.read.gpus > 0
    assert layout.write.gpus > 0
    pools = (layout.model, layout.read, layout.write)
    assert sum(pool.workers * pool.gpus for pool in pools) <= cluster.gpus + 1e-9
    assert (layout.model.workers, layout.read.workers) == (plain.model.workers, plain.read.workers)


def test_no_gpu_in_the_cluster_is_said_before_anything_starts():
    with pytest.raises(SettingsError, match="--decoder cuda, or a codec of NVENC: the cluster has no GPU"):
        allocate(Cluster(8, 0, 1), Workers(), alone=True, on_gpus=True)
    with pytest.raises(SettingsError, match="--decoder vulkan"):
        DubSettings(decoder="vulkan")
