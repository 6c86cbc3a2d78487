"""What a generator is taught with."""

import torch
from torch import nn

from lipsync_ray.jobs.train.critic import MOUTH, GeneratorWithCritic, edges, inputs, mouth_weights


class Grey(nn.Module):
    """Draws one grey that it learns."""

    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.tensor(0.2))

    def forward(self, mel, image):
        return self.level.expand(len(mel), 3, 96, 96)


def test_the_target_is_hidden_and_the_reference_is_whole():
    real = torch.full((1, 5, 96, 96, 3), 255, dtype=torch.uint8)
    shown = torch.full((1, 5, 96, 96, 3), 51, dtype=torch.uint8)
    image, mel = inputs(real, shown, torch.zeros(1, 5, 80, 16))
    assert image.shape == (5, 6, 96, 96)
    assert mel.shape == (5, 1, 80, 16)
    assert (image[:, :3, :48] == 1).all()
    assert (image[:, :3, 48:] == 0).all()
    assert torch.allclose(image[:, 3:], torch.tensor(0.2))


def test_the_mouth_weighs_most():
    table = mouth_weights()[0, 0]
    assert table[MOUTH].min() > table[60, 2] > table[:48].max()


def test_edges_see_no_even_brightness():
    a = torch.rand(1, 3, 96, 96)
    assert float(edges(a, a + 0.3)) < 1e-6
    assert float(edges(a, a.flip(-1))) > 0.1


def test_a_critic_pulls_what_is_drawn_towards_the_real():
    torch.manual_seed(0)
    model = GeneratorWithCritic(Grey(), 0.5)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    wanted = 0.8 + 0.05 * torch.rand(8, 3, 96, 96)
    mel, image = torch.zeros(8, 1, 80, 16), torch.zeros(8, 6, 96, 96)
    softplus = nn.functional.softplus
    before = float(model.generator.level.detach())
    for _ in range(40):
        _, real, drawn = model(mel, image, wanted)
        loss = softplus(-real).mean() + softplus(drawn).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(model.generator.level.detach()) > before + 0.05


def test_without_a_critic_there_is_none():
    model = GeneratorWithCritic(Grey())
    drawn, real, other = model(torch.zeros(2, 1, 80, 16), torch.zeros(2, 6, 96, 96), torch.zeros(2, 3, 96, 96))
    assert drawn.shape == (2, 3, 96, 96)
    assert real.numel() == other.numel() == 0
    assert all(name.startswith("generator.") for name, _ in model.named_parameters())
