"""A loudness and a true peak, as FFmpeg's own program measures them in the encoded file."""

from dataclasses import replace

import numpy as np
import pytest
from clips import tone
from programs import ebur128

from lipsync_ray.media.loudness import decibels
from lipsync_ray.media.mastering import TOLERANCE_DB, TOLERANCE_LU, Level, MasteredSound, mastered
from lipsync_ray.media.sound_store import SoundStore
from lipsync_ray.media.sound_writers import write_sound

RATE = 48_000


def speech_like(rng, seconds=6.0, rate=RATE):
    """(n,) syllables of noise and tones, with pauses."""
    times = np.arange(round(seconds * rate)) / rate
    syllables = np.clip(np.sin(2 * np.pi * 3 * times), 0, 1) ** 2 * (np.sin(2 * np.pi * 0.4 * times) > -0.5)
    voice = sum(np.sin(2 * np.pi * 140 * n * times + n) / n for n in range(1, 20))
    return 0.1 * syllables * (voice + 0.3 * rng.standard_normal(len(times)))


def drums(rng, seconds=6.0, rate=RATE):
    """(n,) bursts of noise."""
    out = np.zeros(round(seconds * rate))
    for start in range(0, len(out) - 4000, rate // 4):
        out[start : start + 4000] += 0.5 * rng.standard_normal(4000) * np.exp(-np.arange(4000) / 500)
    return out


SOUNDS = {
    "speech": lambda rng: speech_like(rng)[None],
    "speech over music": lambda rng: np.stack([speech_like(rng) + 0.1 * tone(6, RATE, hertz) for hertz in (220, 330)]),
    "speech over drums": lambda rng: np.stack([speech_like(rng) + drums(rng)] * 2),
    "noise": lambda rng: 0.1 * rng.standard_normal((2, 6 * RATE)),
}


@pytest.mark.parametrize(("codec", "wanted"), [("aac", -23.0), ("aac", -16.0), ("opus", -16.0), ("flac", -15.0)])
@pytest.mark.parametrize("kind", SOUNDS)
def test_the_encoded_sound_has_the_level_that_was_asked_for(tmp_path, kind, wanted, codec):
    samples = SOUNDS[kind](np.random.default_rng(3)).astype(np.float32)
    with SoundStore(RATE, *samples.shape) as store:
        store.write(0, samples)
        sound = mastered(MasteredSound(store, codec), Level(wanted, -1.0))
        write_sound(sound, tmp_path / "a.mp4")
    loudness, peak = ebur128(tmp_path / "a.mp4")
    assert loudness == pytest.approx(wanted, abs=TOLERANCE_LU)
    assert peak <= -1 + TOLERANCE_DB
    assert sound.measured.loudness_lufs == pytest.approx(loudness, abs=0.1)


def test_a_peak_alone_leaves_the_loudness_of_what_is_below_it(tmp_path):
    samples = np.stack([tone(3, RATE) * 0.2] * 2)
    with SoundStore(RATE, *samples.shape) as store:
        store.write(0, samples)
        sound = mastered(MasteredSound(store, "flac"), Level(None, -1.0))
        assert sound.gain == 1
        assert np.concatenate([block for _, block in sound.blocks()], axis=1) == pytest.approx(samples)


def test_more_than_a_limiter_can_do_without_distortion_is_not_done():
    rng = np.random.default_rng(3)
    samples = np.stack([drums(rng)] * 2).astype(np.float32)
    with SoundStore(RATE, *samples.shape) as store:
        store.write(0, samples)
        plain = mastered(MasteredSound(store, "flac"), Level(-30.0, -1.0))
        loud = mastered(MasteredSound(store, "flac"), Level(-5.0, -1.0))
    assert loud.measured.loudness_lufs < -6
    assert loud.measured.true_peak_db <= -0.9
    assert decibels(loud.gain / plain.gain) == pytest.approx(25 + 10, abs=0.3)


def test_silence_stays_silent():
    with SoundStore(RATE, 1, RATE) as store:
        sound = mastered(MasteredSound(store, "aac"), Level(-23.0, -1.0))
        assert sound.measured.loudness_lufs is None
        assert not any(block.any() for _, block in sound.blocks())


def test_the_same_sound_is_mastered_the_same_way():
    samples = SOUNDS["speech over drums"](np.random.default_rng(3)).astype(np.float32)
    made = []
    for _ in range(2):
        with SoundStore(RATE, *samples.shape) as store:
            store.write(0, samples)
            sound = mastered(MasteredSound(store, "aac"), Level(-14.0, -1.0))
            made.append((replace(sound, excess=None), [block.tobytes() for _, block in sound.blocks()]))
    assert made[0][1] == made[1][1]
    assert made[0][0].measured == made[1][0].measured
