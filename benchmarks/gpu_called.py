"""Networks as the stages of a job call them, uint8 in and out, copies included; and the inputs that such measurements need.

A part of `gpu.py`. Weights are random, of the published sizes, but for those that come with the package (mini, warp, MTCNN, face
mesh). MTCNN takes one frame at a time: its crowd is threads of one process, each with a frame.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a part of the other; it measures nothing alone
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

import numpy as np
import torch
from gpu_networks import timed

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from material import random_gfpgan, repeated_video

RNG = np.random.default_rng(0)
WIDTH, HEIGHT = 1280, 720
CROWDS = (1, 4, 16)  # frames at the same time
BRIEF = 4  # how many times shorter the video is that slow networks draw into
_NARROW = 0.125  # of GFPGAN's width, where inputs are small


@dataclass(frozen=True)
class Rate:
    """A network as it is called: items/s at a batch. The first of a network is the job's own batch."""

    network: str
    items: str
    batch: int
    per_s: float


class Inputs:
    """Checkpoints and videos in a folder, each made when it is asked for first.

    Parameters
    ----------
    seconds : of the long video
    small : networks whose figures mean nothing, which are quickly made and run
    """

    def __init__(self, folder: Path, seconds: float, small: bool) -> None:
        self.folder, self.seconds, self.small = folder, seconds, small

    @cached_property
    def wav2lip(self) -> Path:
        """A checkpoint of Wav2Lip's size."""
        from lipsync_ray.models.wav2lip import Wav2Lip

        torch.manual_seed(0)
        path = self.folder / "random.pth"
        torch.save(Wav2Lip().state_dict(), path)
        return path

    @cached_property
    def gfpgan(self) -> Path:
        """One of GFPGAN's."""
        return random_gfpgan(self.folder / "gfpgan.pth", _NARROW if self.small else 1.0)

    @cached_property
    def musetalk(self) -> Path:
        """A folder of models of MuseTalk's size; ImportError where the extra is not installed."""
        import diffusers  # noqa: F401

        folder = self.folder / "musetalk"
        folder.mkdir()
        if self.small:
            import small_musetalk

            return small_musetalk.write(folder)
        from musetalk import writerandom_state

        writerandom_state(folder)
        return folder

    @cached_property
    def corpus(self) -> Path:
        """The demo's inputs."""
        from lipsync_ray.demo.corpus import make_corpus

        make_corpus(self.folder / "in")
        return self.folder / "in"

    @cached_property
    def video(self) -> Path:
        """The demo's moving portrait in 720p, a few seconds."""
        import av

        target = self.folder / "720.mp4"
        with av.open(str(self.corpus / "pan.mp4")) as reading, av.open(str(target), "w") as writing:
            stream: Any = writing.add_stream("libx264", rate=25, options={"crf": "20"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            beside = (WIDTH - HEIGHT) // 2
            for number, frame in enumerate(reading.decode(video=0)):
                scaled = frame.reformat(HEIGHT, HEIGHT, "rgb24").to_ndarray()
                wide = np.pad(scaled, ((0, 0), (beside, beside), (0, 0)), mode="edge")
                picture = av.VideoFrame.from_ndarray(wide, "rgb24")
                picture.pts = number
                writing.mux(stream.encode(picture))
            writing.mux(stream.encode(None))
        return target

    def table(self, brief: bool) -> Path:
        """The table of one dub, of the long video or of a part of it."""
        name, seconds = ("brief", self.seconds / BRIEF) if brief else ("long", self.seconds)
        table, video = self.folder / f"{name}.csv", self.folder / f"{name}.mp4"
        if not table.exists():
            repeated_video(str(self.video), str(video), seconds)
            table.write_text(f"id,video,audio\n{name},{video},{self.corpus / 'en.ogg'}\n")
        return table


def by_precision(inputs: Inputs, device: str, seconds: float, quick: bool) -> list[dict[str, Any]]:
    """Wav2Lip by precision and batch: items/s, and how far its pictures are from a CPU's in fp32."""
    from lipsync_ray.models.generators import LipModel

    out = []
    path, count = inputs.wav2lip, 16 if quick else 512
    crops = RNG.integers(0, 256, (count, 96, 96, 3), np.uint8)
    mels = RNG.uniform(-4, 4, (count, 80, 16)).astype(np.float32)
    wanted = LipModel(path, "cpu", "fp32", 16)(crops[:16], mels[:16]).astype(int)
    for precision in ("fp32", "bf16") if device == "cpu" else ("fp32", "bf16", "fp16"):
        for batch in (16,) if quick else (64, 128, 256, 512):
            model = LipModel(path, device, precision, batch)
            differ = np.abs(model(crops[:16], mels[:16]) - wanted)
            took = timed(partial(model, crops, mels), torch.device(device), seconds)
            row = {"precision": precision, "batch": batch, "per_s": count / took}
            out.append(row | {"mean_levels": float(differ.mean()), "most_levels": int(differ.max())})
    return out


Measuring = Callable[[], list[Rate]]


def stages(inputs: Inputs, device: str, seconds: float) -> list[tuple[str, Measuring]]:
    """(network, what measures it), of every network that a dub may need."""
    return [
        ("wav2lip", partial(_lips, "wav2lip", inputs, device, seconds)),
        ("mtcnn", partial(_mtcnn, inputs, device, seconds)),
        ("gfpgan", partial(_gfpgan, inputs, device, seconds)),
        ("mesh", partial(_mesh, inputs, device, seconds)),
        ("mini", partial(_lips, "mini", inputs, device, seconds)),
        ("warp", partial(_warp, inputs, device, seconds)),
        ("musetalk", partial(_musetalk, inputs, device, seconds)),
    ]


def _rate(network: str, items: str, batch: int, count: int, call: Callable[[], Any], device: str, s: float) -> Rate:
    return Rate(network, items, batch, count / timed(call, torch.device(device), s))


def _many(batch: int, inputs: Inputs) -> int:
    """Items of one measured call: several batches, as a segment has."""
    return batch if inputs.small else max(4 * batch, 64)


def _lips(name: str, inputs: Inputs, device: str, seconds: float) -> list[Rate]:
    from lipsync_ray.models.generators import LipModel, resolve

    path = inputs.wav2lip if name == "wav2lip" else resolve(name).here()
    out = []
    for batch in (2,) if inputs.small else (None, 256):
        model = LipModel(path, device, "auto", batch)
        count = _many(model.batch, inputs)
        crops = RNG.integers(0, 256, (count, 96, 96, 3), np.uint8)
        mels = RNG.uniform(-4, 4, (count, 80, 16)).astype(np.float32)
        out.append(_rate(name, "frames", model.batch, count, partial(model, crops, mels), device, seconds))
    return out


def _warp(inputs: Inputs, device: str, seconds: float) -> list[Rate]:
    from lipsync_ray.models.closures import WINDOW
    from lipsync_ray.models.generators import resolve
    from lipsync_ray.models.lip_poses import LipPoses

    model = LipPoses(resolve("warp").here(), device)
    count = _many(model.batch, inputs)
    mels = RNG.uniform(-4, 4, (count, 80, WINDOW)).astype(np.float32)
    call = lambda: (model(mels), model.closedness(mels))  # noqa: E731
    return [_rate("warp", "frames", model.batch, count, call, device, seconds)]


def _gfpgan(inputs: Inputs, device: str, seconds: float) -> list[Rate]:
    from lipsync_ray.faces.align import SIDE
    from lipsync_ray.models.gfpgan import Restorer

    out = []
    for batch in (1,) if inputs.small else (None, 1, 32):
        model = Restorer(inputs.gfpgan, device, "auto", batch)
        faces = RNG.integers(0, 256, (model.batch, SIDE, SIDE, 3), np.uint8)
        out.append(_rate("gfpgan", "faces", model.batch, len(faces), partial(model, faces), device, seconds))
    return out


def _mesh(inputs: Inputs, device: str, seconds: float) -> list[Rate]:
    from lipsync_ray.faces.mesh import SQUARE
    from lipsync_ray.models.face_mesh import Mesher

    out = []
    for batch in (2,) if inputs.small else (None, 32, 512):
        model = Mesher(device, batch)
        squares = RNG.integers(0, 256, (_many(model.batch, inputs), SQUARE, SQUARE, 3), np.uint8)
        out.append(_rate("mesh", "faces", model.batch, len(squares), partial(model, squares), device, seconds))
    return out


def _mtcnn(inputs: Inputs, device: str, seconds: float) -> list[Rate]:
    """Looks at whole frames and around a known face, by the number of frames at the same time."""
    from lipsync_ray.faces.detect import detection_size, mtcnn_detector
    from lipsync_ray.media import decode
    from lipsync_ray.media.probe import probe_video

    info, detect = probe_video(str(inputs.video)), mtcnn_detector(device)
    frames = list(decode.small_rgb(info, 0, min(info.frames, 16), *detection_size(info.width, info.height)))
    near = [detect(frame).box for frame in frames]
    out = []
    for crowd in CROWDS[:2] if inputs.small else CROWDS:
        at = [place % len(frames) for place in range(crowd)]
        looks = [frames[place] for place in at]
        with ThreadPoolExecutor(crowd) as threads:
            for items, boxes in (("whole frames", [None] * crowd), ("around a face", [near[place] for place in at])):
                call = partial(_crowd, threads, detect, looks, boxes)
                out.append(_rate("mtcnn", f"looks, {items}", crowd, crowd, call, device, seconds))
    return out


def _crowd(threads: ThreadPoolExecutor, detect: Any, frames: list[Any], near: list[Any]) -> list[Any]:
    return list(threads.map(detect, frames, near))


def _musetalk(inputs: Inputs, device: str, seconds: float) -> list[Rate]:
    """The encoder of faces, once for all languages, and what draws."""
    from lipsync_ray.models.generators import resolve
    from lipsync_ray.models.musetalk import LatentEncoder, MuseTalk

    checkpoint, batch = resolve(str(inputs.musetalk)), 1 if inputs.small else None
    encoder = LatentEncoder(checkpoint, device, "auto", batch)
    faces = RNG.integers(0, 256, (encoder.batch, 256, 256, 3), np.uint8)
    out = [_rate("musetalk encoder", "faces", encoder.batch, len(faces), partial(encoder, faces), device, seconds)]
    del encoder
    model = MuseTalk(checkpoint, device, "auto", batch)
    latents = RNG.standard_normal((model.batch, 8, 32, 32)).astype(np.float16)
    layers = 3 * 32 if inputs.small else 5 * 384  # hidden states of Whisper's encoder: layers · width
    heard = RNG.standard_normal((model.batch, layers, 10)).astype(np.float32)
    return [
        *out,
        _rate("musetalk", "frames", model.batch, len(latents), partial(model, latents, heard), device, seconds),
    ]
