"""`mini`: a quarter-width Wav2Lip that warps the reference's own pixels instead of painting all of them.

2.28 M parameters, 289 MMAC per frame. Trained for this project (see ``data/MODEL_CARD.md``) to test the pipeline on
real faces offline; clearly below the published Wav2Lip.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.models.wav2lip import CROP, FACE_ENCODER, Block, Layer, Wav2Lip

MAX_FLOW = 0.16  # largest displacement, in units of half the crop's side
HEAD_CHANNELS = 16


def scaled(channels: int, width: float) -> int:
    """``channels`` times ``width``, to the nearest multiple of 8 and at least 8; for a quarter: 16→8, 64→16, 384→96,
    512→128.
    """
    return max(8, round(channels * width / 8) * 8)


class Mini(Wav2Lip):
    """A narrow trunk with a head that predicts a colour, an alpha and a flow per pixel.

    ``output = base + alpha · (colour − base)``, where ``base`` is the target's upper half above the reference's lower
    half, warped by the flow. Head and warp run in float32 at any trunk precision: bfloat16 cannot represent a flow of
    half a pixel.

    Parameters
    ----------
    width : factor of Wav2Lip's channel counts; a multiple of 1/64, so that it can be read from a checkpoint
    """

    ramp: Tensor
    grid: Tensor

    def __init__(self, width: float = 0.25) -> None:
        super().__init__(lambda channels: scaled(channels, width))
        rows = torch.arange(CROP, dtype=torch.float32)
        ramp = ((rows - 46) / 8).clamp(0, 1)  # no flow above the mouth, full flow eight rows below its upper edge
        centres = (rows + 0.5) / (CROP / 2) - 1
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        self.register_buffer("ramp", ramp.view(1, 1, CROP, 1), persistent=False)
        self.register_buffer("grid", torch.stack((x, y), dim=-1)[None], persistent=False)

    def _build_head(self) -> None:
        self.output_block = nn.Sequential(
            Block(Layer(self.head_channels, HEAD_CHANNELS, 3, 1, 1)), nn.Conv2d(HEAD_CHANNELS, 4, 1)
        )
        self.flow = nn.Conv2d(HEAD_CHANNELS, 2, 3, padding=1)

    def head_modules(self) -> tuple[nn.Module, ...]:
        """The modules that stay in float32."""
        return (self.output_block, self.flow)

    def forward(self, mel: Tensor, image: Tensor) -> Tensor:
        """See :meth:`Wav2Lip.forward`; always returns float32."""
        trunk = self.features(mel, image)
        with torch.autocast(trunk.device.type, enabled=False):  # enabled by training
            return self._drawn(trunk.float(), image.float())

    def _drawn(self, trunk: Tensor, image: Tensor) -> Tensor:
        hidden = self.output_block[0](trunk)
        painted = torch.sigmoid(self.output_block[1](hidden))
        colour, alpha = painted[:, :3], painted[:, 3:]
        flow = F.avg_pool2d(self.flow(hidden), 5, stride=1, padding=2)
        flow = torch.tanh(flow) * MAX_FLOW * self.ramp
        reference = image[:, 3:]
        warped = F.grid_sample(
            reference, self.grid + flow.permute(0, 2, 3, 1), mode="bilinear", padding_mode="border", align_corners=False
        )
        half = CROP // 2
        base = torch.cat((image[:, :3, :half], warped[:, :, half:]), dim=2)
        out: Tensor = base + alpha * (colour - base)
        return out


def mini_for(state: dict[str, Tensor]) -> Mini:
    """Build the network of a checkpoint with these entries, without its weights."""
    widest = state.get("face_encoder_blocks.6.1.conv_block.0.weight")
    return Mini() if widest is None else Mini(len(widest) / FACE_ENCODER[-1][-1].out)
