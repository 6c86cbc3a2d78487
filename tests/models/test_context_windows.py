import re
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("diffusers", reason="the extra `echomimic` is not installed")

from lipsync_ray.models.context_windows import LIMIT, Sampler, closed_windows, count_windows, noise, open_windows


def reference(shared, name):
    with np.load(shared / "golden" / f"echomimic_{name}.npz") as held:
        return dict(held)


def test_closed_windows_are_the_published_ones(shared):
    for name, wanted in reference(shared, "context_windows").items():
        frames, context, overlap = map(int, re.findall(r"\d+", name))
        assert np.array_equal(closed_windows(frames, 0, context, overlap), wanted), name


def test_a_step_turns_the_ring_by_two():
    assert np.array_equal(closed_windows(20, 3), (closed_windows(20, 0) + 6) % 20)
    assert np.array_equal(closed_windows(8, 1)[0], [2, 3, 4, 5, 6, 7, 0, 1])


@given(st.integers(1, 300), st.integers(0, 29))
def test_open_windows_hold_every_frame_in_order(frames, step):
    windows = open_windows(frames, step)
    assert set(windows.ravel().tolist()) == set(range(frames))
    assert (np.diff(windows, axis=1) == 1).all()
    assert (np.diff(windows[:, 0]) > 0).all()
    assert (windows[:-1, -1] - windows[1:, 0] >= 2).all()  # three frames in common
    assert len(windows) <= -(-frames // 9) + 1


def test_what_a_video_costs():
    assert count_windows(8, 5) == 5
    assert count_windows(33, 2) == len(open_windows(33, 0)) + len(open_windows(33, 1))
    assert count_windows(33, 6, ring=True) == 6 * 4


def test_the_borders_of_open_windows_move():
    inner = [tuple(open_windows(60, step)[1:-1, 0].tolist()) for step in range(9)]
    assert len(set(inner)) == 9


@pytest.mark.parametrize("steps", [30, 6, 4, 20])
def test_the_schedule_is_the_published_one(shared, steps):
    wanted = reference(shared, "scheduler")
    sampler = Sampler(steps, 1.0)
    assert sampler.times == wanted[f"timesteps_{steps}"].tolist()
    schedule = sampler._schedule
    assert np.abs(schedule.alphas_cumprod.numpy() - wanted["alphas_cumprod"]).max() < 1e-6
    assert np.abs(schedule.betas.numpy() - wanted["betas"]).max() < 1e-6
    before = [time - 1000 // steps for time in sampler.times]
    assert before == wanted[f"previous_{steps}"].tolist()
    sample, velocity = (torch.from_numpy(wanted[f"step_{name}"]) for name in ("sample", "prediction"))
    for name, number in (("first", 0), ("last", steps - 1)):
        after = sampler.step(sample, number, lambda *given: velocity)
        assert np.abs(after.numpy() - wanted[f"step_{name}_{steps}"]).max() < 1e-5


CASES = {
    "normal_frames20": (4, 2.5),
    "accelerated_frames20": (6, 1.0),
    "normal_frames8": (4, 2.5),
    "accelerated_frames8": (6, 1.0),
    "normal_no_guidance_frames20": (4, 1.0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_published_loop(shared, case):
    """With networks that are a line each: the windows, their shift, averages, guidance, the schedule, where it begins."""
    wanted = {
        name.removeprefix(f"{case}."): value
        for name, value in reference(shared, "loop").items()
        if name.startswith(f"{case}.")
    }
    heard = torch.from_numpy(wanted["audio"])
    face = 0.2 * float(wanted["mask"].mean())
    times = []

    def predict(window, latents, time, shown):
        count = len(window)
        place = 0.05 * torch.arange(count) / count
        sound = heard[torch.from_numpy(window)] if shown else torch.zeros(count)
        if shown:
            times.append(time)
        return 0.3 * latents + (sound + place + (face if shown else 0.0))[None, None, :, None, None]

    steps, guidance = CASES[case]
    sampler = Sampler(steps, guidance, ring=True, summed="no_guidance" in case)
    latents = torch.from_numpy(wanted["noise"]).clamp(-LIMIT, LIMIT)
    for number in range(steps):
        latents = sampler.step(latents, number, predict)
    assert times == wanted["calls"].tolist()
    found = latents[0].transpose(0, 1).numpy()
    assert np.abs(found - wanted["final_latents"]).max() < 1e-4


def test_overlaps_are_averaged_with_and_without_guidance():
    """What every window says of a frame is the same here: however often it is said, it counts once."""
    start = noise(30, 4, 0).clamp(-LIMIT, LIMIT)
    for ring in (False, True):
        one, guided = Sampler(4, 1.0, ring), Sampler(4, 2.5, ring)
        plain = exaggerated = start
        for number in range(4):
            plain = one.step(plain, number, lambda window, latents, time, shown: 0.3 * latents)
            exaggerated = guided.step(exaggerated, number, lambda window, latents, time, shown: 0.3 * latents)
        assert torch.allclose(plain, exaggerated, atol=1e-5)
        alone = one.step(start[:, :, :1], 0, lambda window, latents, time, shown: 0.3 * latents)
        assert torch.allclose(
            one.step(start, 0, lambda window, latents, time, shown: 0.3 * latents)[:, :, :1], alone, atol=1e-5
        )


def test_noise_is_the_seed_s():
    assert torch.equal(noise(5, 8, 420), noise(5, 8, 420))
    assert not torch.equal(noise(5, 8, 420), noise(5, 8, 421))
    assert noise(5, 8, 420, torch.float16).dtype == torch.float32


def test_windows_of_sound_are_the_published_ones(shared):
    from lipsync_ray.models.generators import GENERATORS

    window = next(spec for spec in GENERATORS if spec.name == "echomimic").audio
    for name, wanted in reference(shared, "audio_windows").items():
        total, rate = name.removeprefix("rows").split("_fps")
        found = window.rows(np.arange(len(wanted)), Fraction(rate.replace("_", ".")), int(total))
        assert np.array_equal(found, wanted), name
