import pytest

from lipsync_ray.models.abilities import ABILITIES, ability_of
from lipsync_ray.models.registry import REGISTRY


def test_every_lip_sync_network_says_what_it_can_and_cannot():
    assert {w.network for w in REGISTRY if w.kind == "lips"} == ABILITIES.keys()


@pytest.mark.parametrize(
    ("model", "network"),
    [("wav2lip_gan", "wav2lip"), ("musetalk-v1", "musetalk-v1"), ("echomimic-acc", "echomimic-acc"), ("echomimic-mine", "echomimic")],
)  # fmt: skip
def test_of_a_result_s_model(model, network):
    assert ability_of(model) is ABILITIES[network]


@pytest.mark.parametrize("model", ["gfpgan", "mine", "sd-vae"])
def test_what_is_no_lip_sync_system_says_nothing(model):
    assert ability_of(model) is None
