"""Registers named checkpoints: address, size, sha256 and licence of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["lips", "scorer", "fid", "restorer", "speech", "helper"]
WAV2LIP_LICENCE = "research and other non-commercial use only (trained on LRS2)"
_ECHOMIMIC_LICENCE = "Apache-2.0 (code), for academic research; no terms of the weights are known to us: ask first"
_MUSETALK_LICENCE = "MIT (code); its authors allow any use of the weights, commercial use too"
MUSETALK_COMPANIONS = ("sd-vae", "whisper-tiny-hf")  # its VAE and its audio encoder
ECHOMIMIC_COMPANIONS = ("echomimic-reference", "echomimic-locator")
# Name, file, kind, and the denoising UNet's motion module
_ECHOMIMIC_FILES: tuple[tuple[str, str, Kind, str], ...] = (
    ("echomimic", "denoising_unet.pth", "lips", "echomimic-motion"),
    ("echomimic-acc", "denoising_unet_acc.pth", "lips", "echomimic-acc-motion"),
    ("echomimic-motion", "motion_module.pth", "helper", ""),
    ("echomimic-acc-motion", "motion_module_acc.pth", "helper", ""),
    ("echomimic-reference", "reference_unet.pth", "helper", ""),
    ("echomimic-locator", "face_locator.pth", "helper", ""),
)
_BUNDLED_INSTEAD = "--model warp                       bundled, needs no download: moves the person's own lips"


@dataclass(frozen=True)
class Weights:
    """A named checkpoint.

    Attributes
    ----------
    name : name for `--model` and `weights fetch`
    file : file name in the cache, or in the package if bundled
    url : download address; None if bundled
    size : bytes; None if not confirmed (then only the sha256 is checked)
    sha256 : of the file; None if none is published by a trusted source. The downloaded file is then used as it is, all
        nodes must have the same one, and run.json records it
    licence : one line
    fallback_hint : one line: an alternative if it is not available
    kind : what it is used for: "lips", "scorer", "fid", "restorer", "speech", or the "helper" of one
    aliases : other names for it
    network : name of a generator's spec, so that the file need not be read to find it
    companions : names of the checkpoints that it requires and that are fetched with it
    """

    name: str
    file: str
    url: str | None
    size: int | None
    sha256: str | None
    licence: str
    fallback_hint: str = ""
    kind: Kind = "lips"
    aliases: tuple[str, ...] = ()
    network: str = ""
    companions: tuple[str, ...] = ()

    @property
    def bundled(self) -> bool:
        return self.url is None


# Neither sizes nor sha256 of its files are published.
_ECHOMIMIC = tuple(
    Weights(
        name, f"echomimic_{file}", f"https://huggingface.co/BadToBest/EchoMimic/resolve/main/{file}", None, None,
        _ECHOMIMIC_LICENCE, _BUNDLED_INSTEAD, kind, network=name if kind == "lips" else "",
        companions=(*ECHOMIMIC_COMPANIONS, motion, *MUSETALK_COMPANIONS) if motion else (),
    )
    for name, file, kind, motion in _ECHOMIMIC_FILES
)  # fmt: skip
_MADE_HERE = "Apache-2.0, made for this project (see models/data/MODEL_CARD.md)"
_HELPERS = (  # bundled
    (
        "face-mesh", 1_456_914, "28dbc706553e9647bd9a5cc7b5fa49cc84de784666d13a0baf20402ed410468c",
        "Apache-2.0, of MediaPipe 0.10.21, converted (see models/data/MODEL_CARD.md)",
    ),
    (
        "face-descriptor", 5_927_136, "1f752cdbc89aa50ac845d3223afa4daa9a4ea872663f9dd8c4ba2a223bf407ed",
        "MIT, of face-api 1.7.15, whose weights are dlib's, in the public domain (see models/data/MODEL_CARD.md)",
    ),
    (
        "voice", 620_546, "be3e4b05ca9d98241bae0c9e246adb2a9cb09376a7d5e77137cb2d00f59763a9",
        "MIT, of silero-vad 6.2.3, in half precision (see models/data/MODEL_CARD.md)",
    ),
    ("judge", 135_676, "fca2f9db17e7aa210148bd4518bd8bee162d2155d488c73a6ca628ef0a94bb7a", _MADE_HERE),
    ("sync-judge", 2_130_194, "043fbbbc544008b00b05cf0869e99a1cde9c3c03c2c293201a338320d4f507fc", _MADE_HERE),
    ("visibility", 352_132, "98be54d09f18d24e1a414ea25826df4b2501e9c0b0d1b01096c52dbd57eebc39", _MADE_HERE),
)  # fmt: skip
_WHISPER = (
    ("tiny", "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9"),
    ("base", "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e"),
    ("small", "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794"),
    ("medium", "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1"),
    ("large-v2", "81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524"),
    ("large-v3", "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb", "large"),
    ("large-v3-turbo", "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a", "turbo"),
)

REGISTRY = (
    Weights(
        name="warp",
        file="warp.safetensors",
        url=None,
        size=2_501_496,
        sha256="ab252c9f00218d459f6ac8c032d6637d13b760f20a27abb8e5a627d89e30db86",
        network="warp",
        licence=_MADE_HERE,
    ),
    Weights(
        name="mini",
        file="mini.safetensors",
        url=None,
        size=4_609_444,
        sha256="222cd9a2b089a6136847f5b829820f417ac05d8a5273867b2c0542ac89150de2",
        network="mini",
        licence=_MADE_HERE,
    ),
    Weights(
        name="wav2lip",
        file="wav2lip.pth",
        url="https://huggingface.co/camenduru/Wav2Lip/resolve/main/checkpoints/wav2lip.pth",
        size=435_807_851,
        sha256="b78b681b68ad9fe6c6fb1debc6ff43ad05834a8af8a62ffc4167b7b34ef63c37",
        network="wav2lip",
        licence=WAV2LIP_LICENCE,
        fallback_hint=_BUNDLED_INSTEAD,
    ),
    Weights(
        name="wav2lip_gan",
        file="wav2lip_gan.pth",
        url="https://huggingface.co/camenduru/Wav2Lip/resolve/main/checkpoints/wav2lip_gan.pth",
        size=None,
        sha256="ca9ab7b7b812c0e80a6e70a5977c545a1e8a365a6c49d5e533023c034d7ac3d8",
        network="wav2lip",
        licence=WAV2LIP_LICENCE,
        fallback_hint=_BUNDLED_INSTEAD,
        aliases=("wav2lip_gen",),
    ),
    Weights(
        name="musetalk",
        file="musetalk_v15_unet.pth",
        url="https://huggingface.co/TMElyralab/MuseTalk/resolve/2bcb936e2fddb4d86db4c62fd45b387d0c061571/musetalkV15/unet.pth",
        size=None,
        sha256="7ebf6c98c181e20838e4c0054e96e944ac60d5d692cc01db42839fe11b787007",
        network="musetalk",
        companions=MUSETALK_COMPANIONS,
        licence=_MUSETALK_LICENCE,
        fallback_hint=_BUNDLED_INSTEAD,
        aliases=("musetalk-v15",),
    ),
    Weights(
        name="musetalk-v1",
        file="musetalk_v1_unet.bin",
        url="https://huggingface.co/TMElyralab/MuseTalk/resolve/main/musetalk/pytorch_model.bin",
        size=None,
        sha256=None,
        network="musetalk-v1",
        companions=MUSETALK_COMPANIONS,
        licence=_MUSETALK_LICENCE,
        fallback_hint=_BUNDLED_INSTEAD,
    ),
    *_ECHOMIMIC,
    Weights(
        name="sd-vae",
        file="sd-vae-ft-mse.safetensors",
        url="https://huggingface.co/stabilityai/sd-vae-ft-mse/resolve/main/diffusion_pytorch_model.safetensors",
        size=334_643_276,
        sha256="a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815",
        kind="helper",
        licence="MIT, of Stability AI's sd-vae-ft-mse",
        fallback_hint=_BUNDLED_INSTEAD,
    ),
    Weights(
        name="whisper-tiny-hf",
        file="whisper-tiny-hf.bin",
        url="https://huggingface.co/openai/whisper-tiny/resolve/main/pytorch_model.bin",
        size=None,
        sha256="9607f98a2b22d9e229ae43c52ecea79dcede9e0c5cfae67e8da6eda86d8aac1d",
        kind="helper",
        licence="Apache-2.0, of openai/whisper-tiny",
        fallback_hint=_BUNDLED_INSTEAD,
    ),
    Weights(
        name="bisenet",
        file="face_parsing_79999_iter.pth",
        url="https://huggingface.co/ManyOtherFunctions/face-parse-bisent/resolve/main/79999_iter.pth",
        size=None,
        sha256="468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567",
        kind="helper",
        licence="MIT (code); trained on CelebAMask-HQ, whose pictures are for non-commercial research",
        fallback_hint="--blend feather                    needs no download",
    ),
    Weights(
        name="mini-sync",
        file="mini_sync.safetensors",
        url=None,
        size=5_809_564,
        sha256="b61ebd23bc9552c7da6e76f3fe49c0cb497e851d94d0f05f1e306c3ae88a3dd8",
        licence=_MADE_HERE,
        kind="scorer",
    ),
    Weights(
        name="syncnet",
        file="syncnet_v2.model",
        url="https://huggingface.co/ByteDance/LatentSync-1.6/resolve/main/auxiliary/syncnet_v2.model",
        size=54_573_114,
        sha256="961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
        licence="not stated with the file; the code of syncnet_python is MIT. Ask before commercial use",
        fallback_hint="--scorer mini-sync                 bundled, needs no download; its numbers are not LSE",
        kind="scorer",
    ),
    Weights(
        name="inception",
        file="pt_inception-2015-12-05-6726825d.pth",
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        size=95_628_359,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        licence="Apache-2.0, of TensorFlow's models, ported by pytorch-fid",
        fallback_hint="--fid none                         leave FID out",
        kind="fid",
    ),
    Weights(
        name="gfpgan",
        file="GFPGANv1.4.pth",
        url="https://github.com/TencentARC/GFPGAN/releases/download/v1.3.0/GFPGANv1.4.pth",
        size=348_632_874,
        sha256="e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
        licence="Apache-2.0 by its README; its LICENSE adds NVIDIA's StyleGAN2 terms and CC BY-NC-SA parts: check first",
        fallback_hint="leave --restore out",
        kind="restorer",
        aliases=("gfpgan_v1.4",),
    ),
    Weights(
        name="retinaface",
        file="detection_Resnet50_Final.pth",
        url="https://github.com/xinntao/facexlib/releases/download/v0.1.0/detection_Resnet50_Final.pth",
        size=109_497_761,
        sha256="6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
        licence="MIT, of facexlib",
        fallback_hint="--restore-detector table            the run's own landmarks, needs no download",
        kind="helper",
    ),
    Weights(
        name="parsenet",
        file="parsing_parsenet.pth",
        url="https://github.com/xinntao/facexlib/releases/download/v0.2.2/parsing_parsenet.pth",
        size=85_331_193,
        sha256="3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2",
        licence="MIT, of facexlib",
        fallback_hint="--restore-mask ellipse              needs no download",
        kind="helper",
    ),
    *(
        Weights(name, f"{name.replace('-', '_')}.safetensors", None, size, sha256, licence, kind="helper")
        for name, size, sha256, licence in _HELPERS
    ),
    *(
        # Whisper's addresses contain the sha256 of the file.
        Weights(
            name=f"whisper-{size}",
            file=f"whisper-{size}.pt",
            url=f"https://openaipublic.azureedge.net/main/whisper/models/{sha256}/{size}.pt",
            size=None,
            sha256=sha256,
            licence="MIT, of OpenAI's Whisper",
            fallback_hint="--whisper none                     leave the text out",
            kind="speech",
            aliases=(size, *aliases),
        )
        for size, sha256, *aliases in _WHISPER
    ),
)


def licences_of(model: str) -> list[tuple[str, str]]:
    """(name, licence) of each checkpoint in a result's model name, such as "wav2lip_gan+gfpgan"."""
    unknown = "a checkpoint given by its path: its licence is its maker's"
    return [(name, entry.licence if (entry := find(name)) else unknown) for name in model.split("+")]


def find(name: str) -> Weights | None:
    """The checkpoint with this name or alias; None if not registered."""
    return next((w for w in REGISTRY if name == w.name or name in w.aliases), None)
