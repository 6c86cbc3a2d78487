"""Whisper (Radford et al. 2022, arXiv:2212.04356), kept loaded: what is said, in which language, and in English."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lipsync_ray.devices import device_of
from lipsync_ray.errors import CheckpointError
from lipsync_ray.models import weights
from lipsync_ray.models.checkpoint import load_into, read_pickle
from lipsync_ray.models.spoken import ENGLISH, Phrase, Speech

F32 = NDArray[np.float32]

SAMPLE_RATE = 16_000  # Hz: of what Whisper hears
CHUNK_S = 300  # most seconds that are held at a time
CUT_S = 20  # seconds at the end of a chunk, in the quietest moment of which it is cut
CUT_WINDOW = SAMPLE_RATE // 5  # samples: what counts as a moment
# large-v3-turbo's four decoder layers were not trained to translate (openai/whisper, README): asked to, it transcribes.
TURBO_DECODER_LAYERS = 4
TURBO_ENCODER_LAYERS = 32

_DICE = threading.Lock()  # what is sampled comes from the one generator of the process


def resolve(given: str, progress: weights.Progress | None = None) -> weights.Checkpoint:
    """What ``--whisper`` says: ``tiny`` … ``large-v3-turbo``, or a path.

    Raises
    ------
    WeightsError : not here and not to be had, or neither a name nor a file
    CheckpointError : a given file holds another network
    """
    checkpoint = weights.named_or_path("--whisper", given, "speech", progress)
    if checkpoint.registered is None:
        path = checkpoint.here()
        _content(path)
    return checkpoint


class Transcriber:
    """A loaded Whisper.

    Parameters
    ----------
    path : checkpoint, with its dimensions
    device : "cpu", "cuda", …

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, path: Path, device: str) -> None:
        from whisper.model import Whisper

        dims, state = _content(path)
        network = Whisper(dims)
        load_into(network, state, str(path))
        self._network: Any = network.to(device_of(device)).eval().requires_grad_(False)
        self.translates = bool(
            self._network.is_multilingual
            and not (dims.n_text_layer == TURBO_DECODER_LAYERS and dims.n_audio_layer == TURBO_ENCODER_LAYERS)
        )

    def __call__(self, sound: Iterable[F32], seed: int = 0) -> Speech:
        """Write down and translate.

        Parameters
        ----------
        sound : (n,) float32 blocks at 16 kHz mono, in order; at most a few minutes of it are held
        seed : of Whisper's samples, which it draws where its first guess is poor

        Raises
        ------
        ValueError : no sound at all
        """
        language, probability = "", 0.0
        heard: list[Phrase] = []
        english: list[Phrase] = []
        start = 0
        for chunk in chunks(sound):
            if not language:
                language, probability = self._language(chunk)
            write = partial(self._write, chunk, start / SAMPLE_RATE, language, seed)
            heard += write("transcribe")
            if self.translates and language != ENGLISH:
                english += write("translate")
            start += len(chunk)
        if not language:
            raise ValueError("no sound")
        if language == ENGLISH:
            english = heard
        return Speech(
            language, probability, tuple(heard), tuple(english) if self.translates or language == ENGLISH else None
        )

    def _language(self, chunk: F32) -> tuple[str, float]:
        import whisper

        if not self._network.is_multilingual:
            return ENGLISH, 1.0
        window = whisper.pad_or_trim(torch.from_numpy(chunk))
        mel = whisper.log_mel_spectrogram(window, self._network.dims.n_mels).to(self._network.device)
        _, (found,) = self._network.detect_language(mel[None])
        best = max(sorted(found), key=lambda code: found[code])
        return best, float(found[best])

    def _write(self, chunk: F32, start_s: float, language: str, seed: int, task: str) -> list[Phrase]:
        import whisper

        fp16 = self._network.device.type == "cuda"
        with _DICE:
            torch.manual_seed(seed)
            told = whisper.transcribe(self._network, chunk, language=language, task=task, fp16=fp16, verbose=None)
        last = start_s + len(chunk) / SAMPLE_RATE  # Whisper pads to thirty seconds, and may write a time in there
        return [
            Phrase(round(start_s + said["start"], 2), round(min(start_s + said["end"], last), 2), said["text"].strip())
            for said in told["segments"]
            if said["text"].strip()
        ]


def chunks(sound: Iterable[F32], seconds: float = CHUNK_S) -> Iterator[F32]:
    """Blocks gathered to chunks of at most so many seconds, each cut in the quietest moment of its last ones."""
    most, tail = int(seconds * SAMPLE_RATE), int(min(CUT_S, seconds / 2) * SAMPLE_RATE)
    held: list[F32] = []
    count = 0
    for block in sound:
        held.append(block)
        count += len(block)
        while count >= most:
            whole = np.concatenate(held)
            cut = most - tail + _quietest(whole[most - tail : most])
            yield whole[:cut]
            held, count = [whole[cut:]], len(whole) - cut
    if count:
        yield np.concatenate(held)


def _quietest(samples: F32) -> int:
    """The middle of the window of least energy."""
    width = min(CUT_WINDOW, len(samples))
    energy = np.convolve(np.square(samples, dtype=np.float64), np.ones(width), mode="valid")
    return int(np.argmin(energy)) + width // 2


def _content(path: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    """Dimensions and entries of a checkpoint."""
    from whisper.model import ModelDimensions

    content = read_pickle(path)
    try:
        dims, state = ModelDimensions(**content["dims"]), content["model_state_dict"]
        fits = state["decoder.token_embedding.weight"].shape == (dims.n_vocab, dims.n_text_state)
    except (KeyError, TypeError, ValueError, AttributeError):
        fits = False
    if not fits:
        raise CheckpointError(f"{path}: not a checkpoint of OpenAI's Whisper (dims and model_state_dict)")
    return dims, {name: tensor.float() for name, tensor in state.items()}
