"""How fast faces are restored: GFPGANer picture by picture, ours, and the bare network, in one run on one machine.

    uv run python benchmarks/restore.py PICTURE [--seconds 20] [--narrow 1.0]

All with one set of random weights, which take the time of the published ones. PICTURE shows one face. Prints
restored faces/s of `GFPGANer.enhance`, with facexlib's own helper (detect, restore, parse, paste back), of ours (decode,
align by known landmarks, restore, ellipse, paste back), and of the bare network at its best batch and precision; with
the batch, and on a GPU the peak memory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--threads", type=int, default=1, help="on a CPU, of each; the jobs' actors use one")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import cv2
import numpy as np
from floor import repeated

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from material import new_gfpgan, random_gfpgan, random_parsenet
from rich.console import Console
from rich.table import Table

BATCHES = {"cpu": (1, 2, 4), "cuda": (1, 4, 8, 16, 32)}


def peak(device: str) -> str:
    """Most GPU memory since the last call."""
    import torch

    if device == "cpu":
        return ""
    used = torch.cuda.max_memory_allocated() / (1 << 30)
    torch.cuda.reset_peak_memory_stats()
    return f"{used:.1f} GiB"


def published_loop(picture: Any, folder: Path, seconds: float, landmarks: Any) -> float:
    """Faces/s of GFPGANer.enhance's steps, its detector's answer replaced by one true face: random weights find none."""
    import torch
    from facexlib.utils.face_restoration_helper import FaceRestoreHelper

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = new_gfpgan().to(device).eval()
    network.load_state_dict(torch.load(folder / "GFPGANv1.4.pth")["params_ema"])
    helper = FaceRestoreHelper(1, use_parse=True, device=device, model_rootpath=str(folder))
    original = helper.face_det.detect_faces
    box = np.concatenate((landmarks.min(axis=0) - 40, landmarks.max(axis=0) + 40, [0.99], landmarks.reshape(-1)))

    def detect(*positional: Any, **named: Any) -> Any:
        original(*positional, **named)  # takes its time
        return box[None]

    @torch.no_grad()
    def enhance() -> None:
        helper.clean_all()
        helper.read_image(picture)
        helper.get_face_landmarks_5(eye_dist_threshold=5)
        helper.align_warp_face()
        for face in helper.cropped_faces:
            rgb = torch.from_numpy(face[..., ::-1] / np.float32(127.5) - 1).permute(2, 0, 1)[None].to(device)
            out = network(rgb, return_rgb=False)[0][0].clamp(-1, 1)
            levels = ((out + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
            helper.add_restored_face(levels[..., ::-1])
        helper.get_inverse_affine(None)
        helper.paste_faces_to_input_image()

    helper.face_det.detect_faces = detect
    return repeated(enhance, seconds)


def main(arguments: argparse.Namespace) -> None:
    warnings.simplefilter("ignore")

    import torch

    torch.set_num_threads(arguments.threads)
    from facexlib.detection.retinaface import RetinaFace

    from lipsync_ray.faces.detect import mtcnn_detector
    from lipsync_ray.media.choices import VideoCoding
    from lipsync_ray.media.encode import encode
    from lipsync_ray.media.picture import Colour, YuvFrame
    from lipsync_ray.models.gfpgan import Restorer
    from lipsync_ray.models.weights import Checkpoint
    from lipsync_ray.restoration.faces import FaceRestorer, RestoreFiles, Target
    from lipsync_ray.settings import RestoreSettings

    device = "cuda" if torch.cuda.is_available() else "cpu"
    picture: Any = cv2.imread(arguments.picture)
    picture = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
    points = mtcnn_detector(device)(np.ascontiguousarray(picture[..., ::-1])).landmarks[0]
    console = Console(width=110)
    table = Table(title=f"{device}, {picture.shape[1]} × {picture.shape[0]}, one face a picture")
    for name in ("", "batch", "faces/s", "of the bare network", "memory"):
        table.add_column(name, justify="left" if not name else "right")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        network = random_gfpgan(folder / "GFPGANv1.4.pth")
        random_parsenet(folder / "parsing_parsenet.pth")
        torch.save(
            RetinaFace(network_name="resnet50", device="cpu").state_dict(), folder / "detection_Resnet50_Final.pth"
        )
        published = published_loop(picture, folder, arguments.seconds, points)
        published_memory = peak(device)
        rates: dict[int, tuple[float, str]] = {}
        faces = np.stack([cv2.resize(picture, (512, 512))] * max(BATCHES[device]))
        for batch in BATCHES[device]:
            restorer = Restorer(network, device, "auto", batch)
            rates[batch] = (repeated(partial(restorer, faces[:batch]), arguments.seconds / 2) * batch, peak(device))
            del restorer
        best = max(rates, key=lambda batch: rates[batch][0])
        ours = FaceRestorer(RestoreFiles(Checkpoint.of(network)), device, "auto", best)
        flat = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).reshape(-1)
        h, w = picture.shape[:2]
        luma, chroma = h * w, h * w // 4
        y, u, v = flat[:luma], flat[luma : luma + chroma], flat[luma + chroma :]
        half = (h // 2, w // 2)
        frame = YuvFrame(y.reshape(h, w), u.reshape(half), v.reshape(half), Colour())
        count = max(best, 4)

        def whole() -> None:
            restored = ours([(i, frame) for i in range(count)], [[Target(0, points)]] * count, 0)
            drawn = [frame.copy() for _ in range(count)]
            for i, one in enumerate(drawn):
                restored.put(one, i, RestoreSettings())
            encode(drawn, Fraction(25), Fraction(1), VideoCoding())

        whole_rate = repeated(whole, arguments.seconds) * count
        bare = rates[best][0]
        table.add_row("GFPGANer.enhance", "1", f"{published:.2f}", f"{published / bare:.2f}", published_memory)
        table.add_row(
            "ours, with alignment, paste, encoding",
            str(best),
            f"{whole_rate:.2f}",
            f"{whole_rate / bare:.2f}",
            peak(device),
        )
        for batch, (rate, memory) in rates.items():
            table.add_row("bare network", str(batch), f"{rate:.2f}", f"{rate / bare:.2f}", memory)
    console.print(table)
    console.print(
        f"ours is {whole_rate / published:.1f} × GFPGANer.enhance ({time.strftime('%Y-%m-%d')})", highlight=False
    )


if __name__ == "__main__":
    main(ARGUMENTS)
