"""What each lip-sync system can do and cannot, in a sentence each: for reports, so that scores are not read alone."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync_ray.models.registry import find


@dataclass(frozen=True)
class Ability:
    """What a system does, and what nobody should expect of it."""

    can: str
    cannot: str


_WAV2LIP = Ability(
    "draws the lower face to any voice; the frame around it is the source's",
    "draw more than 96 pixels a face: a face that is larger in the frame gets a softer mouth (--restore gfpgan)",
)
_MUSETALK = Ability(
    "draws the lower face at 256 pixels; the frame around it is the source's",
    "be hurried: 140 times Wav2Lip's work a frame; be told where nobody speaks",
)
_ECHOMIMIC = Ability(
    "animates one frame of a person, or a portrait: the whole head moves with the sound, at 512 pixels",
    "edit a video: gestures, background and camera of the source are gone; be split over workers within one video; be hurried",
)
# By network, as the registry names it.
ABILITIES = {
    "warp": Ability(
        "moves the person's own lips, at the frame's own size; closes them in silence",
        "close lips for a short p, b or m; show the teeth of somebody who is never seen with the mouth open; follow a profile",
    ),
    "mini": Ability("draws the lower face, quickly: for tests and first looks", "move a mouth as far as people do; draw more than 96 pixels"),
    "wav2lip": _WAV2LIP,
    "musetalk": _MUSETALK,
    "musetalk-v1": _MUSETALK,
    "echomimic": _ECHOMIMIC,
    "echomimic-acc": _ECHOMIMIC,
}  # fmt: skip


def ability_of(model: str) -> Ability | None:
    """Of a result's model: a registered name, or an added one, or one that begins with its network's; None of any other, such as a restorer."""
    registered = find(model)
    if registered is not None:
        return ABILITIES.get(registered.network)
    if model in ABILITIES:
        return ABILITIES[model]
    return next(
        (ABILITIES[name] for name in sorted(ABILITIES, key=len, reverse=True) if model.startswith(f"{name}-")), None
    )
