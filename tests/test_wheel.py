"""What ``pip install lipsync-ray`` brings, by the metadata of the installed project."""

import re
from importlib.metadata import requires

# Whoever only dubs, analyses or scores is spared what is hard to build, or links libraries that an image may lack.
HARD = {"gfpgan", "basicsr", "facexlib", "tb-nightly", "opencv-python"}
EVERYDAY = {
    "ray",
    "torch",
    "openai-whisper",
    "langdetect",
    "facenet-pytorch",
    "pytorch-fid",
    "pyarrow",
    "fsspec",
    "s3fs",
    "av",
}


def test_what_is_hard_to_install_is_an_extra_and_the_rest_is_not():
    plain, extra = set(), set()
    for line in requires("lipsync-ray"):
        name = re.match(r"[\w.-]+", line)[0].lower()
        (extra if "extra ==" in line else plain).add(name)
    assert plain >= EVERYDAY
    assert not HARD & plain
    assert "gfpgan" in extra
