"""Trains a generator to draw mouths: five frames at a time, close to the real ones, in sync for a frozen expert.

The losses are Wav2Lip's (Prajwal et al. 2020, arXiv 2008.10010, section 3: L1, an expert's synchrony, an adversary), with more
weight where the mouth is, and on edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.errors import ModelError, SettingsError
from lipsync_ray.jobs.train import samples
from lipsync_ray.jobs.train.corpus import Corpus
from lipsync_ray.jobs.train.critic import MOUTH, GeneratorWithCritic, edges, inputs, mouth_weights, picture
from lipsync_ray.jobs.train.curve import NO_CONTROL
from lipsync_ray.jobs.train.experts import five
from lipsync_ray.jobs.train.training_task import I64, TrainingTask, halved
from lipsync_ray.models import generators, mini_sync, weights
from lipsync_ray.models.checkpoint import load_into, read_state
from lipsync_ray.models.lip_sync import GeneratorSpec
from lipsync_ray.models.mini import Mini
from lipsync_ray.models.mini_sync import MiniSync
from lipsync_ray.models.syncnet import FRAMES
from lipsync_ray.models.wav2lip import CROP

_EDGES, _SYNC = 0.5, 0.03  # weights of the loss on gradients, and of the expert's
_ALONE = 1 / 3  # of a training from scratch, before the expert's loss is added
_AWAY = 6  # distance in frames between reference and target, if the clip is long enough
_OTHERS = 8  # windows of sound that the expert chooses among
_TESTED = 64  # clips
_TRAINABLE = ("mini", "wav2lip")  # networks of registered weights that can be fine-tuned


class GeneratorTask(TrainingTask):
    """A lip-sync network.

    Parameters
    ----------
    init : initial checkpoint; None for an untrained `mini`
    width : of that `mini`: factor of Wav2Lip's channel counts
    expert : checkpoint of :class:`~lipsync_ray.models.mini_sync.MiniSync`
    adversarial : weight of the critic's loss
    """

    title = "A lip-sync generator"
    measures = (
        "Maps a face with a hidden lower half, another picture of the same person and 200 ms of mel to the speaking "
        "face. "
        "`lipsync-ray dub --model <this file>` uses it."
    )
    clips = 8
    decay = 0.0
    average = 0.998
    warm_up = 100
    clip = 1.0

    def __init__(self, corpus: Corpus, init: Path | None, width: float, expert: Path, adversarial: float) -> None:
        super().__init__(corpus)
        self._init, self._width, self._expert_path = init, width, expert
        self._adversarial = adversarial
        self.rate = 1.2e-3 if init is None else 1e-4
        self.spec = generator_spec(init)
        self._expert, self._weights = MiniSync(), mouth_weights()

    def prepare(self, device: torch.device) -> None:
        load_into(self._expert, read_state(self._expert_path), str(self._expert_path))
        self._expert.to(device).eval().requires_grad_(False)
        self._weights = mouth_weights().to(device)

    def make(self) -> nn.Module:
        generator: nn.Module
        if self._init is None:
            generator = Mini(self._width)
        else:
            state = read_state(self._init)
            generator = self.spec.build(state, self._init)
            load_into(generator, state, str(self._init))
        return GeneratorWithCritic(generator, self._adversarial)

    def loss(
        self, network: nn.Module, clips: I64, rng: np.random.Generator, device: torch.device, done: float
    ) -> Tensor:
        scenes = [self._scene(clip, rng) for clip in clips.tolist()]
        real, context, mels, others = (
            torch.from_numpy(np.stack(parts)).to(device) for parts in zip(*scenes, strict=True)
        )
        image, mel = inputs(real, context, mels)
        wanted = picture(real).flatten(0, 1)
        drawn, score_real, score_drawn = network(mel, image, wanted)
        loss: Tensor = (self._weights * (drawn - wanted).abs()).mean() + _EDGES * edges(drawn, wanted)
        if self._init is not None or done >= _ALONE:
            loss = loss + _SYNC * self._out_of_sync(drawn, others)
        if self._adversarial:
            loss = loss + F.softplus(-score_real).mean() + F.softplus(score_drawn).mean()
        return loss

    def _scene(
        self, clip: int, rng: np.random.Generator | None
    ) -> tuple[samples.U8, samples.U8, samples.F32, samples.F32]:
        """Five crops (5, 96, 96, 3), five others of the clip, their mels (5, 80, 16), and windows for the expert (8, 80, 16).

        The first of the expert's windows matches the crops.
        """
        corpus, count = self.corpus, int(self.corpus.frames[clip])
        last = count - FRAMES
        first = last // 2 if rng is None else int(rng.integers(last + 1))
        far = [number for number in range(last + 1) if abs(number - first) >= _AWAY] or [0, last]
        away = far[0] if rng is None else far[int(rng.integers(len(far)))]
        rows = corpus.face_rows(clip)
        both = np.concatenate((rows[first : first + FRAMES], rows[away : away + FRAMES]))
        crops = samples.crops(both, rng)
        rate = Fraction(corpus.rate[clip]).limit_denominator(1001)
        starts = np.array([self.spec.audio.first(first + number, rate) for number in range(FRAMES)])
        others = [number for number in range(last + 1) if abs(number - first) > 2] or [0]
        picked = np.linspace(0, len(others) - 1, _OTHERS - 1).astype(np.int64)
        windows = samples.column_of(np.array([first, *(others[number] for number in picked)]), corpus.rate[clip])
        # The sound is augmented for the generator only, not for the expert.
        return (
            crops[:FRAMES],
            crops[FRAMES:],
            samples.sound_windows(corpus, clip, starts, self.spec.audio.columns, rng, self.spec.audio.silent_end),
            samples.sound_windows(corpus, clip, windows, mini_sync.COLUMNS, None, silent_end=False),
        )

    def _out_of_sync(self, drawn: Tensor, others: Tensor) -> Tensor:
        """The expert's loss for drawn faces among several moments; the first of `others` is the right one."""
        lower = drawn[:, :, CROP // 2 :].float().reshape(-1, 3 * FRAMES, CROP // 2, CROP)
        with torch.autocast(drawn.device.type, enabled=False):
            visual = self._expert.encode_video(lower)
            sound_points = self._expert.encode_audio(others.flatten(0, 1)[:, None]).reshape(*others.shape[:2], -1)
            cosines = torch.einsum("bd,bnd->bn", visual, sound_points)
            sharp, bias = self._expert.logit.exp()[0], self._expert.logit[1]
            right = torch.zeros(len(cosines), dtype=torch.long, device=drawn.device)
            return F.cross_entropy(10 * cosines, right) + F.softplus(-(sharp * cosines[:, 0] + bias)).mean()

    @torch.inference_mode()
    def figures(self, network: nn.Module, device: torch.device) -> dict[str, float | None]:
        """Mouths' L1 in grey levels: drawn, with another sound, and of the unchanged reference; the expert's cosines."""
        assert isinstance(network, GeneratorWithCritic)
        found: dict[str, list[float]] = {
            name: [] for name in ("mouth_l1", "mouth_l1_other", "mouth_l1_reference", "sync", "sync_other")
        }
        scenes = [self._scene(clip, None) for clip in self.held_out(_TESTED).tolist()]
        box = (slice(None), slice(None), *MOUTH)
        for number, scene in enumerate(scenes):
            real, context, mels, others = (torch.from_numpy(part)[None].to(device) for part in scene)
            image, mel = inputs(real, context, mels)
            wanted = picture(real).flatten(0, 1)
            drawn = network.generator(mel, image).float()
            found["mouth_l1"].append(255 * float((drawn - wanted)[box].abs().mean()))
            if len(scenes) > 1:
                wrong = torch.from_numpy(scenes[number - len(scenes) // 2][2]).to(device)[:, None]
                other = network.generator(wrong, image).float()
                found["mouth_l1_other"].append(255 * float((other - wanted)[box].abs().mean()))
            found["mouth_l1_reference"].append(255 * float((image[:, 3:] - wanted)[box].abs().mean()))
            five_faces = five((drawn.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).cpu(), np.array([0])).to(device)
            cosines = self._expert.encode_video(five_faces) @ self._expert.encode_audio(others[0][:, None]).T
            found["sync"].append(float(cosines[0, 0]))
            found["sync_other"].append(float(cosines[0, 1:].mean()))
        return {name: float(np.mean(values)) if values else None for name, values in found.items()}

    def finish(self, networks: Sequence[nn.Module]) -> None:
        model = networks[0].eval()
        assert isinstance(model, GeneratorWithCritic)
        found = self.figures(model, next(model.parameters()).device)
        # A `mini` is stored in half precision, like the bundled one; published networks stay exact.
        small = isinstance(model.generator, Mini)
        self.state = halved(model.generator) if small else dict(model.generator.state_dict())
        texts = {name: NO_CONTROL if value is None else f"{value:.1f}" for name, value in found.items()}
        self.measured = {
            "L1 of the mouth, grey levels": texts["mouth_l1"],
            "with another clip's sound": texts["mouth_l1_other"],
            "of the reference as it is": texts["mouth_l1_reference"],
            "cosine of its training expert, own sound": f"{found['sync']:.2f}",
            "another moment's": f"{found['sync_other']:.2f}",
        }


def generator_checkpoint(given: str, fetching: weights.Progress | None = None) -> weights.Checkpoint:
    """Resolve `--init` of a generator: a registered, trainable one, fetched if necessary, or a checkpoint.

    Raises
    ------
    WeightsError : it cannot be fetched
    SettingsError : neither, or not a trainable network
    """
    registered = weights.find(given)
    trainable = [entry.name for entry in weights.REGISTRY if entry.network in _TRAINABLE]
    if registered is not None and registered.name in trainable:
        hint = "omit --init to train a `mini` from scratch"
        weights.ensure(replace(registered, fallback_hint=hint), fetching)
        return weights.by_name(registered.name)
    bundled = registered is not None and registered.bundled
    path = weights.location(registered) if registered and bundled else Path(given).expanduser().absolute()
    if not path.is_file():
        raise SettingsError(f"--init {given}: expected {', '.join(trainable)}, or a file of such a network")
    try:
        generator_spec(path)
    except (ModelError, SettingsError) as error:
        raise SettingsError(f"--init {given}: {error}") from error
    return weights.Checkpoint.of(path)


def generator_spec(init: Path | None) -> GeneratorSpec:
    """The spec of a generator with these initial weights; `mini` without any.

    Raises
    ------
    WeightsError, CheckpointError : no generator's weights
    SettingsError : it does not draw faces
    """
    if init is None:
        return next(spec for spec in generators.GENERATORS if spec.name == "mini")
    spec = generators.verify(init)
    if spec.train_kind != "generator":
        elsewhere = f"does not draw faces; train it with `lipsync-ray train {spec.train_kind}`"
        here = "cannot be trained; expected Wav2Lip's or mini's weights"
        raise SettingsError(f"{init}: `{spec.name}` {elsewhere if spec.train_kind else here}")
    return spec
