"""This project against Wav2Lip's own script, on the same clip, with random weights on both sides.

    uv run python benchmarks/peer.py CHECKOUT [--python PYTHON] [--video FILE …] [--audio FILE]

CHECKOUT is a clone of github.com/Rudrabha/Wav2Lip, whose requirements PYTHON has (and `ffmpeg` on the path). Its script is
run as it stands, twice: with a box that is given, so that it detects nothing; and its detector alone over the same frames,
since a random detector finds no face, and the script ends at the first frame without one. What it would take altogether is
the sum. Ours is one `lipsync-ray dub`, from the command to the file, its detection included, without Ray (`--engine inline`),
in its own default precision and in float32, which is theirs. Memory is the most that a command and its children had
resident at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--python", default=sys.executable, help="that has the checkout's requirements")
    parser.add_argument("--video", nargs="+", help="default: the demo's moving portrait")
    parser.add_argument("--audio", help="default: the demo's English")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import psutil
from rich.console import Console
from rich.table import Table

from lipsync_ray.media.probe import probe_video

# Run in the checkout: random numbers for its detector, biased to find nothing, then its own batches over a whole video.
DETECT = """
import sys, time, cv2, numpy as np, torch
import face_detection
from face_detection.detection.sfd import net_s3fd, sfd_detector
torch.manual_seed(0)
network = net_s3fd.s3fd()
for name, values in network.state_dict().items():
    if name.endswith("mbox_conf.bias"):
        values[-1] = -50.0
    if name.endswith("mbox_conf.weight"):
        values.zero_()
torch.save(network.state_dict(), sys.argv[2])
stock = sfd_detector.SFDDetector.__init__.__defaults__
sfd_detector.SFDDetector.__init__.__defaults__ = (sys.argv[2], *stock[1:])
device = "cuda" if torch.cuda.is_available() else "cpu"
detector = face_detection.FaceAlignment(face_detection.LandmarksType._2D, flip_input=False, device=device)
reader, frames = cv2.VideoCapture(sys.argv[1]), []
while True:
    there, frame = reader.read()
    if not there:
        break
    frames.append(frame)
frames = frames[: int(sys.argv[3])]
began = time.perf_counter()
for first in range(0, len(frames), 16):
    detector.get_detections_for_batch(np.array(frames[first : first + 16]))
print("SECONDS A FRAME", (time.perf_counter() - began) / len(frames))
"""
DETECTED = 32  # frames: a detector takes the same time for each


def timed(command: list[str], folder: Path) -> tuple[float, float, str]:
    """(seconds, MiB at most, what it said) of a command; ends this one where it fails."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        root, most = psutil.Process(process.pid), 0
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                most = max(most, sum(one.memory_info().rss for one in (root, *root.children(recursive=True))))
            time.sleep(0.1)
        took = time.perf_counter() - began
        output.seek(0)
        said = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(command[:3])} … ended with {process.returncode}:\n{said[-2000:]}")
    return took, most / 2**20, said


def main(arguments: argparse.Namespace) -> None:

    import torch

    from lipsync_ray.demo.corpus import make_corpus
    from lipsync_ray.models.wav2lip import Wav2Lip

    checkout = arguments.checkout.resolve()
    if not (checkout / "inference.py").is_file():
        sys.exit(f"{checkout}: expected a clone of Wav2Lip, with inference.py in it")
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_corpus(folder / "in")
        audio = str(folder / "voice.wav")
        source = arguments.audio or str(folder / "in" / "en.ogg")
        subprocess.run(["ffmpeg", "-v", "error", "-i", source, "-ac", "1", "-ar", "16000", audio], check=True)
        weights = folder / "random.pth"
        torch.manual_seed(0)
        torch.save({"state_dict": Wav2Lip().state_dict()}, weights)
        (checkout / "temp").mkdir(exist_ok=True)
        for video in arguments.video or [str(folder / "in" / "pan.mp4")]:
            info = probe_video(video)
            short = min(info.width, info.height)
            box = [str(part) for part in (short // 4, short * 3 // 4, short // 4, short * 3 // 4)]
            theirs = [
                arguments.python,
                "inference.py",
                "--checkpoint_path",
                str(weights),
                "--face",
                video,
                "--audio",
                audio,
            ]
            alone, their_most, _ = timed([*theirs, "--outfile", str(folder / "t.mp4"), "--box", *box], checkout)
            frames = probe_video(str(folder / "t.mp4")).frames
            detect = [arguments.python, "-c", DETECT, video, str(folder / "s3fd.pth"), str(DETECTED)]
            _, detector_most, said = timed(detect, checkout)
            looking = float(said.split("SECONDS A FRAME")[1].split()[0]) * min(frames, info.frames)
            table = Table(title=f"{info.width}×{info.height}, {frames} frames out, {info.frames} in")
            for name in ("", "seconds", "theirs ÷ ours", "most memory, MiB"):
                table.add_column(name, justify="left" if not name else "right")
            rows = [
                ("their script, box given", alone, their_most),
                ("… and its detector", alone + looking, max(their_most, detector_most)),
            ]
            for precision in ("auto", "fp32"):
                out = folder / f"{precision}.mp4"
                ours = [
                    sys.executable,
                    "-m",
                    "lipsync_ray",
                    "dub",
                    video,
                    audio,
                    "--out",
                    str(out),
                    "--model",
                    str(weights),
                ]
                took, most, _ = timed([*ours, "--engine", "inline", "--precision", precision], folder)
                made = probe_video(str(out)).frames
                assert abs(made - frames) <= info.rate / 5, f"{made} frames, theirs {frames}"  # a mel window of 0.2 s
                rows.append((f"this project, {precision}, detection included", took, most))
            for number, (name, seconds, most) in enumerate(rows):
                ratios = "" if number < 2 else f"{alone / seconds:.1f} – {(alone + looking) / seconds:.1f}"
                table.add_row(name, f"{seconds:.1f}", ratios, f"{most:,.0f}")
            console.print(table)


if __name__ == "__main__":
    main(ARGUMENTS)
