"""States what each lip-sync model can and cannot do; reports show it beside the scores."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync_ray.models.registry import find


@dataclass(frozen=True)
class Ability:
    """What a model can and cannot do; each completes a sentence "It can …", "It cannot …"."""

    can: str
    cannot: str


_WAV2LIP = Ability(
    "redraws the lower face for any voice; the rest of the frame is unchanged",
    "draw more than 96 pixels per face: a larger face gets a softer mouth (--restore gfpgan sharpens it)",
)
_MUSETALK = Ability(
    "redraws the lower face at 256 pixels; the rest of the frame is unchanged",
    "run fast: it costs 140 × Wav2Lip per frame; close the mouth in pauses",
)
_ECHOMIMIC = Ability(
    "animates one frame of a person, or a portrait: the whole head moves with the sound, at 512 pixels",
    "keep the source's gestures, background and camera; split one video over several workers; run fast",
)
# By network, as the registry names it.
ABILITIES = {
    "warp": Ability(
        "moves the person's own lips at the frame's resolution; closes them in silence, and for p, b and m",
        "close the lips at every short p, b or m in languages unlike English and Arabic; show a person's own teeth if the mouth is never open in the source; draw profiles",
    ),
    "mini": Ability("redraws the lower face fast, for tests and previews", "open the mouth as far as people do; draw more than 96 pixels"),
    "wav2lip": _WAV2LIP,
    "musetalk": _MUSETALK,
    "musetalk-v1": _MUSETALK,
    "echomimic": _ECHOMIMIC,
    "echomimic-acc": _ECHOMIMIC,
}  # fmt: skip


def ability_of(model: str) -> Ability | None:
    """The abilities of a result's model; None for any other name, such as a restorer's.

    Parameters
    ----------
    model : a registered name, or one that begins with its network's name and "-"
    """
    registered = find(model)
    if registered is not None:
        return ABILITIES.get(registered.network)
    if model in ABILITIES:
        return ABILITIES[model]
    return next(
        (ABILITIES[name] for name in sorted(ABILITIES, key=len, reverse=True) if model.startswith(f"{name}-")), None
    )
