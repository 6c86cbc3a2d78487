"""Long inputs for benchmarks, made of short ones without encoding again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np


def repeated_video(source: str, target: str, seconds: float) -> None:
    """A video of about so many seconds: the packets of a short one again and again."""
    with av.open(source) as reading, av.open(target, "w", format="mp4") as writing:
        stream = reading.streams.video[0]
        copy = writing.add_stream_from_template(stream)
        packets = [packet for packet in reading.demux(stream) if packet.dts is not None]
        span = max(packet.pts for packet in packets) + packets[0].duration - min(packet.pts for packet in packets)
        data = [(bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in packets]
        for turn in range(max(1, round(seconds / float(span * stream.time_base)))):
            for content, pts, dts, duration, key in data:
                packet = av.Packet(content)
                packet.pts, packet.dts, packet.duration = pts + turn * span, dts + turn * span, duration
                packet.time_base, packet.stream, packet.is_keyframe = stream.time_base, copy, key
                writing.mux(packet)


def portrait_1080p(portrait: Path, target: Path, rate: int, frames: int = 50) -> None:
    """1920×1080: the demo's portrait, drifting over a grey wall and back."""
    picture = cv2.resize(cv2.imread(str(portrait)), (900, 900), interpolation=cv2.INTER_CUBIC)
    with av.open(str(target), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate), options={"crf": "20", "g": "50"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for index in range(frames):
            view = np.full((1080, 1920, 3), 120, np.uint8)
            x = 500 + round(60 * np.sin(2 * np.pi * index / frames))
            view[120:1020, x : x + 900] = picture
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="bgr24")))
        container.mux(stream.encode(None))


def shift_sound(source: str, frames: int, target: str) -> None:
    """A copy of a video (mkv) whose sound comes so many frames of 40 ms later; earlier, where it is negative.

    It lasts as long as before, silent where there is none.
    """
    with av.open(source) as reading:
        audio = reading.streams.audio[0]
        resampler = av.AudioResampler(format="s16", layout="mono", rate=audio.rate)
        parts = [part.to_ndarray()[0] for frame in reading.decode(audio) for part in resampler.resample(frame)]
    samples = np.concatenate(parts).astype(np.float32) / 32768
    step = round(abs(frames) * audio.rate / 25)
    silence = np.zeros(step, np.float32)
    moved = np.concatenate((silence, samples[: len(samples) - step]) if frames >= 0 else (samples[step:], silence))
    add_sound(source, moved, audio.rate, target)


def add_sound(source: str, samples: Any, rate: int, target: str) -> None:
    """A copy of a video (mkv) with (n,) float32 samples as its sound, 16-bit mono; the pictures' packets are copied."""
    with av.open(source) as reading, av.open(target, "w", format="matroska") as writing:
        video = reading.streams.video[0]
        copy = writing.add_stream_from_template(video)
        sound = writing.add_stream("pcm_s16le", rate=rate, layout="mono")
        for packet in reading.demux(video):
            if packet.dts is not None:
                packet.stream = copy
                writing.mux(packet)
        whole = np.rint(np.clip(samples, -1, 1) * 32767).astype(np.int16)
        for start in range(0, len(whole), 4096):
            part = np.ascontiguousarray(whole[None, start : start + 4096])
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            writing.mux(sound.encode(frame))
        writing.mux(sound.encode(None))


def random_inception(path: Path) -> Path:
    """FID's Inception network, in the file format of pytorch-fid's weights."""
    import torch
    from pytorch_fid import inception as module

    torch.manual_seed(0)
    network = module._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    for name, made in (
        ("Mixed_5b", module.FIDInceptionA(192, 32)), ("Mixed_5c", module.FIDInceptionA(256, 64)),
        ("Mixed_5d", module.FIDInceptionA(288, 64)), ("Mixed_6b", module.FIDInceptionC(768, 128)),
        ("Mixed_6c", module.FIDInceptionC(768, 160)), ("Mixed_6d", module.FIDInceptionC(768, 160)),
        ("Mixed_6e", module.FIDInceptionC(768, 192)), ("Mixed_7b", module.FIDInceptionE_1(1280)),
        ("Mixed_7c", module.FIDInceptionE_2(2048)),
    ):  # fmt: skip
        setattr(network, name, made)
    torch.save(network.state_dict(), path)
    return path


def new_gfpgan(narrow: float = 1.0) -> Any:
    """GFPGANv1Clean as its code initialises it."""
    from spandrel.architectures.GFPGAN import GFPGAN

    return GFPGAN(narrow=narrow)


def random_gfpgan(path: Path, narrow: float = 1.0) -> Path:
    """GFPGANv1Clean with random numbers, in the file format of GFPGANv1.4.pth; narrower where that is asked for."""
    import torch

    torch.manual_seed(0)
    network = new_gfpgan(narrow)
    for name, parameter in network.named_parameters():
        if name.endswith(".weight") and parameter.shape == (1,):
            parameter.data.fill_(0.1)  # how much noise each layer adds; zero in a new network, never in a trained one
    torch.save({"params_ema": network.state_dict()}, path)
    return path


def random_parsenet(path: Path) -> Path:
    """ParseNet with random numbers, in the file format of parsing_parsenet.pth."""
    import torch
    from facexlib.parsing.parsenet import ParseNet

    torch.manual_seed(1)
    torch.save(ParseNet(in_size=512, out_size=512, parsing_ch=19).state_dict(), path)
    return path


def random_whisper(path: Path) -> Path:
    """A Whisper of tiny dimensions with random numbers, in the file format of OpenAI's tiny.pt."""
    import torch
    from whisper.model import ModelDimensions, Whisper

    dims = {
        "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 16, "n_audio_head": 2, "n_audio_layer": 1,
        "n_vocab": 51865, "n_text_ctx": 32, "n_text_state": 16, "n_text_head": 2, "n_text_layer": 1,
    }  # fmt: skip
    torch.manual_seed(0)
    network = Whisper(ModelDimensions(**dims))
    torch.nn.init.normal_(network.decoder.positional_embedding)  # left as the memory was
    torch.save({"dims": dims, "model_state_dict": network.state_dict()}, path)
    return path
