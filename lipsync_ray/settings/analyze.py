"""What decides how files are analysed."""

from dataclasses import dataclass
from typing import Annotated, Any

from lipsync_ray.settings.checks import check, values_of
from lipsync_ray.settings.options import Option, described


@described
@dataclass(frozen=True)
class AnalyzeSettings:
    """What is looked at in a file. Two analyses with equal settings and inputs look at the same frames."""

    whisper: Annotated[
        str, Option("tiny, base, small, medium, large-v2, large-v3, large-v3-turbo, a checkpoint's path, or none.")
    ] = "small"
    frames: Annotated[int, Option("Random frames of each video that are looked at for faces.", least=1, most=1000)] = 10
    seed: Annotated[
        int, Option("Seed of the choice of frames, and of Whisper's samples; another one picks other frames.", least=0)
    ] = 0

    find_speakers: Annotated[
        bool,
        Option(
            "Find each video's people and who of them speaks when: their pictures, and speakers.csv to correct and give to dub."
        ),
    ] = False

    def __post_init__(self) -> None:
        check(self)

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return values_of(self)
