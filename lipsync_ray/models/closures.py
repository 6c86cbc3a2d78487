"""Says from 0.8 s of mel whether lips are closed.

Closures of p, b and m last a few frames. The mean pose that correlates best with a sound blurs them; a classifier of
frames does not.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.media.mel import BANDS

WINDOW = 64  # mel columns, 0.8 s, with the frame in the middle
CLOSED = 0.02  # eye distances: lip gap below which lips count as closed
OPENING = 0.05  # eye distances: unit of the second output
_WIDTH, _DROPPED = 96, 0.2
_DILATIONS = (1, 2, 4, 4, 4)
_LAST = WINDOW - 4 * sum(_DILATIONS)  # columns of the last convolution


class ClosureNet(nn.Module):
    """0.2 M parameters. ``forward``: (n, 80, c) mel in ±4 to (n, 2, c − 63): log odds of closed lips, and their gap in
    :data:`OPENING`, of the frame in the middle of each window of 64 columns.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(_WIDTH if number else BANDS, _WIDTH, 5, dilation=dilation)
            for number, dilation in enumerate(_DILATIONS)
        )
        self.drop = nn.Dropout(_DROPPED)
        self.last = nn.Conv1d(_WIDTH, 2, _LAST)

    def forward(self, mel: Tensor) -> Tensor:
        x = mel / 4
        for number, conv in enumerate(self.convs):
            y = F.gelu(conv(x))
            cut = (x.shape[-1] - y.shape[-1]) // 2
            x = self.drop(y + x[..., cut : cut + y.shape[-1]] if number else y)
        out: Tensor = self.last(x)
        return out
