"""SyncNet (Chung & Zisserman 2016): embeds five face frames and 200 ms of speech, close to each other if in sync.

State-dict names, shapes and arithmetic are those of the published `syncnet_v2.model` (``SyncNetModel.py`` of
github.com/joonson/syncnet_python), which loads strictly.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

CROP = 224  # pixels: side of the square input
FRAMES = 5  # per window
COLUMNS = 20  # MFCC columns per window, 10 ms each
DIMENSIONS = 1024
HIDDEN = 512


class SyncNet(nn.Module):
    """Both towers, 13,631,616 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_conv2d(1, 64, 3, padding=1),
            nn.MaxPool2d(1, 1),
            *_conv2d(64, 192, 3, padding=1),
            nn.MaxPool2d(3, (1, 2)),
            *_conv2d(192, 384, 3, padding=1),
            *_conv2d(384, 256, 3, padding=1),
            *_conv2d(256, 256, 3, padding=1),
            nn.MaxPool2d(3, 2),
            *_conv2d(256, HIDDEN, (5, 4)),
        )
        self.netfcaud = _head()
        self.netfclip = _head()
        self.netcnnlip = nn.Sequential(
            *_conv3d(3, 96, (FRAMES, 7, 7), stride=2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(96, 256, (1, 5, 5), stride=2, padding=1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_conv3d(256, 256, (1, 3, 3), padding=1),
            *_conv3d(256, 256, (1, 3, 3), padding=1),
            *_conv3d(256, 256, (1, 3, 3), padding=1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(256, HIDDEN, (1, 6, 6)),
        )

    def encode_audio(self, mfcc: Tensor) -> Tensor:
        """(B, 1, 13, 20) MFCC to (B, 1024)."""
        out: Tensor = self.netfcaud(self.netcnnaud(mfcc).flatten(1))
        return out

    def encode_video(self, frames: Tensor) -> Tensor:
        """(B, 3, 5, 224, 224) BGR in 0–255 to (B, 1024)."""
        out: Tensor = self.netfclip(self.netcnnlip(frames).flatten(1))
        return out


class Towers(nn.Module):
    """A loaded SyncNet for inference: batch norm folded, the lip tower converted to 2-D.

    The first kernel covers all five frames without padding, so no time axis remains after it. The tower equals a 2-D
    network on 15 channels, which is faster.
    """

    def __init__(self, network: SyncNet) -> None:
        super().__init__()
        network = network.eval()
        self.aud = _folded(network.netcnnaud)
        self.lip = _folded(network.netcnnlip)
        self.aud_head, self.lip_head = network.netfcaud, network.netfclip
        self.requires_grad_(False)

    def encode_audio(self, mfcc: Tensor) -> Tensor:
        """(B, 1, 13, 20) MFCC to (B, 1024)."""
        out: Tensor = self.aud_head(self.aud(mfcc).flatten(1))
        return out

    def encode_video(self, frames: Tensor) -> Tensor:
        """(B, 15, 224, 224) to (B, 1024); channel 5 · c + t is colour c (B, G, R) of frame t, in 0–255."""
        out: Tensor = self.lip_head(self.lip(frames).flatten(1))
        return out


def _conv2d(into: int, out: int, kernel: int | tuple[int, int], padding: int = 0) -> tuple[nn.Module, ...]:
    return nn.Conv2d(into, out, kernel, padding=padding), nn.BatchNorm2d(out), nn.ReLU()


def _conv3d(
    into: int, out: int, kernel: tuple[int, int, int], stride: int = 1, padding: int = 0
) -> tuple[nn.Module, ...]:
    conv = nn.Conv3d(into, out, kernel, (1, stride, stride), (0, padding, padding))
    return conv, nn.BatchNorm3d(out), nn.ReLU()


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, DIMENSIONS))


def _folded(tower: nn.Sequential) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, layer in enumerate(tower):
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            norm = tower[i + 1]
            assert isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d)
            conv = fuse_conv_bn_eval(layer, norm)
            layers.append(_flattened(conv) if isinstance(conv, nn.Conv3d) else conv)
        elif isinstance(layer, nn.MaxPool3d):
            kernel, stride, padding = (_plane(v) for v in (layer.kernel_size, layer.stride, layer.padding))
            layers.append(nn.MaxPool2d(kernel, stride, padding))
        elif isinstance(layer, nn.ReLU):
            layers.append(nn.ReLU(inplace=True))
        elif isinstance(layer, nn.MaxPool2d) and layer.kernel_size != 1:
            layers.append(layer)
    return nn.Sequential(*layers)


def _flattened(conv: nn.Conv3d) -> nn.Conv2d:
    """The 2-D convolution equal to a 3-D one whose kernel covers all frames without padding."""
    into = conv.in_channels * conv.kernel_size[0]
    flat = nn.Conv2d(into, conv.out_channels, conv.kernel_size[1:], conv.stride[1:], conv.padding[1:])  # type: ignore[arg-type]
    assert conv.bias is not None
    with torch.no_grad():
        flat.weight.copy_(conv.weight.flatten(1, 2))
    flat.bias = conv.bias
    return flat


def _plane(value: int | tuple[int, ...]) -> tuple[int, int]:
    """Drop the time axis of a convolution's parameter."""
    return (value, value) if isinstance(value, int) else (value[1], value[2])
