"""Transcribes speech, detects its language and translates it to English with Whisper (Radford et al. 2022,
arXiv:2212.04356).

Only ranges in which Silero's voice detector finds speech are processed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lipsync_ray.compute import device_of
from lipsync_ray.errors import CheckpointError
from lipsync_ray.media.audio import SAMPLE_RATE
from lipsync_ray.models import weights
from lipsync_ray.models.checkpoint import load_into, read_pickle
from lipsync_ray.models.doubts import LEAST_LOG_PROBABILITY, MOST_COMPRESSION, MOST_NO_SPEECH, doubts
from lipsync_ray.models.language_votes import Languages, Likely
from lipsync_ray.models.spoken import ENGLISH, Phrase, Transcript
from lipsync_ray.models.spoken_ranges import Spoken, spoken_in

F32 = NDArray[np.float32]

CHUNK_S = 240  # seconds of sound in memory at a time, at most
CUT_S = 20  # chunks are cut at the quietest moment of their last seconds
WINDOW, FRAMES = 30 * SAMPLE_RATE, 3000  # samples and mel columns of Whisper's input window
LANGUAGE_WINDOWS = 3  # windows per chunk for language detection
KNOWN_WINDOWS = LANGUAGE_WINDOWS + 1
CUT_WINDOW = SAMPLE_RATE // 5  # samples over which the quietest moment is measured
# large-v3-turbo was not trained to translate (openai/whisper, README): it transcribes instead.
TURBO_DECODER_LAYERS = 4
TURBO_ENCODER_LAYERS = 32

_DICE = threading.Lock()  # sampling uses the process's single random generator


def resolve(given: str, progress: weights.Progress | None = None) -> weights.Checkpoint:
    """Resolve ``--whisper``: ``tiny`` … ``large-v3-turbo``, or a path.

    Raises
    ------
    WeightsError : not available, or neither a name nor a file
    CheckpointError : the file is of another network
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
    path : checkpoint that includes its dimensions
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
        network.encoder = _Encoder(network.encoder)
        self._network: Any = network.to(device_of(device)).eval().requires_grad_(False)
        self._fp16 = self._network.device.type == "cuda"
        self.translates = bool(
            self._network.is_multilingual
            and not (dims.n_text_layer == TURBO_DECODER_LAYERS and dims.n_audio_layer == TURBO_ENCODER_LAYERS)
        )

    def __call__(self, sound: Iterable[F32], seed: int = 0) -> Transcript:
        """Transcribe and translate a sound. Ranges without speech are skipped.

        Parameters
        ----------
        sound : (n,) float32 blocks at 16 kHz mono, in order; at most :data:`CHUNK_S` seconds are kept in memory
        seed : of Whisper's sampling at temperatures above 0

        Raises
        ------
        ValueError : the sound is empty
        """
        phrases: list[Phrase] = []
        english: list[Phrase] = []
        languages = Languages()
        start, speech_s = 0, 0.0
        for chunk in chunks(sound):
            spoken = spoken_in(chunk)
            if spoken is not None:
                speech_s += spoken.voice_s
                windows = self._language_windows(spoken.samples)
                language = languages.of(windows)
                write = partial(self._write, spoken, start / SAMPLE_RATE, language, seed)
                if phrases_written := write("transcribe"):
                    languages.add(windows)
                    phrases += phrases_written
                    if language == ENGLISH:
                        english += phrases_written
                    elif self.translates:
                        english += write("translate")
            start += len(chunk)
        self._network.encoder.known.clear()
        if not start:
            raise ValueError("no sound")
        whole, probability = languages.best()
        result = self.translates or whole in (ENGLISH, None)
        return Transcript(
            whole,
            probability,
            tuple(phrases),
            tuple(english) if result else None,
            round(speech_s, 2),
            languages.others(),
        )

    def _language_windows(self, samples: F32) -> list[Likely]:
        """Language probabilities of a few windows, spread evenly over the samples."""
        import whisper

        if not self._network.is_multilingual:
            return [{ENGLISH: 1.0}]
        mel = whisper.log_mel_spectrogram(samples, self._network.dims.n_mels, padding=WINDOW)
        # Without the padding: same windows as in transcription, so that the encoder's cache applies.
        length = mel.shape[1] - FRAMES
        count = min(LANGUAGE_WINDOWS, -(-length // FRAMES))
        found = []
        for first in np.linspace(0, max(0, length - FRAMES), count).astype(int):
            window = whisper.pad_or_trim(mel[:, first : min(first + FRAMES, length)], FRAMES)
            window = window.to(self._network.device, torch.float16 if self._fp16 else torch.float32)
            found.append(self._network.detect_language(self._network.encoder(window[None]))[1][0])
        return found

    def _write(self, spoken: Spoken, start_s: float, language: str, seed: int, task: str) -> list[Phrase]:
        import whisper

        with _DICE:
            torch.manual_seed(seed)
            result = whisper.transcribe(
                self._network,
                spoken.samples,
                language=language,
                task=task,
                fp16=self._fp16,
                verbose=None,
                logprob_threshold=LEAST_LOG_PROBABILITY,
                compression_ratio_threshold=MOST_COMPRESSION,
                no_speech_threshold=MOST_NO_SPEECH,
            )
        written = language if task == "transcribe" else ENGLISH
        return [
            _phrase(phrases_written, spoken, start_s, written)
            for phrases_written in result["segments"]
            if phrases_written["text"].strip()
        ]


class _Encoder(torch.nn.Module):
    """Whisper's encoder with a cache: language detection, transcription and translation encode the same windows."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.known: deque[tuple[torch.Tensor, torch.Tensor]] = deque(maxlen=KNOWN_WINDOWS)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        for window, known in self.known:
            if window.dtype == mel.dtype and torch.equal(window, mel):
                return known
        encoded: torch.Tensor = self.encoder(mel)
        self.known.append((mel.clone(), encoded))  # a copy: a view would keep minutes of mel in memory
        return encoded


def _phrase(phrases_written: dict[str, Any], spoken: Spoken, start_s: float, language: str) -> Phrase:
    """Convert a Whisper segment, with times in the whole sound."""
    text = phrases_written["text"].strip()
    numbers = {
        name: round(float(phrases_written[theirs]), 4)
        for name, theirs in (
            ("log_probability", "avg_logprob"),
            ("compression_ratio", "compression_ratio"),
            ("temperature", "temperature"),
            ("no_speech_probability", "no_speech_prob"),
        )
    }
    start, end = spoken.span(phrases_written["start"], phrases_written["end"])
    return Phrase(
        round(start_s + start, 2),
        round(start_s + end, 2),
        text,
        **numbers,
        uncertain=doubts(text, language, **numbers),
    )


def chunks(sound: Iterable[F32], seconds: float = CHUNK_S) -> Iterator[F32]:
    """Group blocks to chunks of at most ``seconds``, each cut at the quietest moment of its last :data:`CUT_S` seconds."""
    most, tail = int(seconds * SAMPLE_RATE), int(min(CUT_S, seconds / 2) * SAMPLE_RATE)
    blocks: list[F32] = []
    count = 0
    for block in sound:
        blocks.append(block)
        count += len(block)
        while count >= most:
            whole = np.concatenate(blocks)
            cut = most - tail + _quietest(whole[most - tail : most])
            yield whole[:cut]
            blocks, count = [whole[cut:]], len(whole) - cut
    if count:
        yield np.concatenate(blocks)


def _quietest(samples: F32) -> int:
    """Middle of the window with the least energy."""
    width = min(CUT_WINDOW, len(samples))
    energy = np.convolve(np.square(samples, dtype=np.float64), np.ones(width), mode="valid")
    return int(np.argmin(energy)) + width // 2


def _content(path: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    """Dimensions and state dict of a checkpoint."""
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
