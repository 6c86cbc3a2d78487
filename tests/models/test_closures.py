"""When lips are closed, by what is heard."""

import csv
from fractions import Fraction

import numpy as np
import pytest
import torch

from lipsync_ray.faces.closed_lips import closings
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.mel import windows
from lipsync_ray.media.sound_probe import probe_audio
from lipsync_ray.media.speech_mel import speech_mel
from lipsync_ray.metrics.closures import auc
from lipsync_ray.models.closures import WINDOW, ClosureNet
from lipsync_ray.models.generators import GENERATORS
from lipsync_ray.models.lip_poses import LipPoses
from lipsync_ray.models.weights import by_name


def test_a_long_sound_gives_what_its_windows_give():
    network = ClosureNet().eval()
    mel = torch.randn(1, 80, WINDOW + 9)
    with torch.inference_mode():
        whole = network(mel)
        assert whole.shape == (1, 2, 10)
        one = network(mel[..., 4 : 4 + WINDOW])
    torch.testing.assert_close(whole[..., 4:5], one, rtol=1e-4, atol=1e-5)


def test_lips_meet_the_more_the_surer_it_is():
    odds = np.linspace(-6, 6, 200).astype(np.float32)
    found = closings(odds)
    assert (np.diff(found) >= 0).all()
    assert found[0] == -1
    assert found[-1] == 1
    assert np.abs(np.diff(found)).max() < 0.25  # no jump
    assert closings(odds[:0]).shape == (0,)


@pytest.mark.nightly
def test_lips_close_at_bilabials_and_less_elsewhere(corpus):
    """On clips of a speaker of whom the network knows others; the words' times are the corpus' own."""
    rate = Fraction(25)
    window = next(spec for spec in GENERATORS if spec.name == "warp").audio
    model = LipPoses(by_name("warp").here(), "cpu")
    with (corpus / "grid" / "words.csv").open(encoding="utf-8") as file:
        words = [row for row in csv.DictReader(file) if row["word"] not in ("sil", "sp")]
    found: tuple[list[float], list[float]] = ([], [])
    for clip in sorted((corpus / "grid").glob("*.mp4"))[::20]:  # of every fifth, which was not learnt
        track = SoundTrack(str(clip))
        columns = np.concatenate(list(speech_mel(track, probe_audio(track), None)))
        starts = np.array([window.first(frame, rate) for frame in range(75)], np.int64)
        heard = windows(columns, starts, 0, len(columns), window.columns, silent_end=True)
        closing = closings(model.closedness(heard))
        for row in words:
            if row["clip"] == clip.stem:
                frame = round(float(row["start_s"]) * 25)
                bilabial = row["word"] in ("bin", "blue", "by", "place", "please", "b", "p")
                found[not bilabial].append(closing[max(0, frame - 3) : frame + 4].max())
    bilabial, other = map(np.array, found)
    assert len(bilabial) > 25
    assert (bilabial > 0.5).mean() > 0.85  # silence closes some of the others
    assert (other > 0.5).mean() < 0.65
    assert auc(bilabial, other) > 0.7
