"""From videos, audio and settings to the segments of a dub. Arithmetic on frame numbers; nothing is opened."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from lipsync_ray.faces.sight import FADE
from lipsync_ray.inputs.face_tables import key_of_pictures
from lipsync_ray.inputs.speakers import SpeakingPerson
from lipsync_ray.io import storage
from lipsync_ray.jobs.dub.recipe import FRAMES_VERSION
from lipsync_ray.jobs.dub.reuse import PartsPlan
from lipsync_ray.jobs.dub.segment import Segment, SegmentFaces
from lipsync_ray.jobs.dub.state import DubbedFace, DubState
from lipsync_ray.jobs.dub.untouched import copied_ranges, possible_cuts
from lipsync_ray.media.codecs import part_name
from lipsync_ray.media.kept_samples import keeping
from lipsync_ray.media.timeline import split
from lipsync_ray.provenance.frame_marks import FrameMarks
from lipsync_ray.restoration import previews
from lipsync_ray.restoration.faces import PARSE_EVERY, ROW_S
from lipsync_ray.settings import SEGMENT_S

UNKNOWN = DubbedFace(SpeakingPerson("", ()), None)

if TYPE_CHECKING:  # the run, of which workers need not know
    from lipsync_ray.jobs.dub.inputs import DubRun
    from lipsync_ray.jobs.dub.recipe import Recipe


def ranges(recipe: Recipe, segment_s: float | None, frames: int, rate: Fraction) -> list[tuple[int, int]]:
    """[start, stop) of a dub's segments.

    Parameters
    ----------
    segment_s : seconds of each, where that is asked for
    """
    restored = recipe.settings.restore is not None
    seconds = segment_s or (ROW_S if restored else SEGMENT_S)
    return split(frames, rate, seconds, recipe.method.frames_a_pass, PARSE_EVERY if restored else 1)


def ranges_of(run: DubRun, dub: DubState) -> list[tuple[int, int]]:
    """[start, stop) of a dub's rows, which cover all of its output frames but those that are copied. No row goes beyond a line, so
    that a changed one costs its own rows."""
    assert dub.info is not None
    copied = copied_ranges(dub, marks_of(run, dub))
    begins, ends = {start for start, _ in copied}, {stop for _, stop in copied}
    edges = (edge for edge in _line_edges(dub, dub.info.rate) if not any(start < edge < stop for start, stop in copied))
    cuts = sorted({0, *edges, *begins, *ends, *possible_cuts(dub), dub.frames})
    return [
        (first + start, first + stop)
        for first, last in itertools.pairwise(cuts)
        if first not in begins
        for start, stop in ranges(run.recipe, run.workers.segment_s, last - first, dub.info.rate)
    ]


def _line_edges(dub: DubState, rate: Fraction) -> list[int]:
    """Frames at which one of a dub's lines begins or has ended, with what is drawn around it; rising, none twice."""
    if dub.fitted is None or not dub.cues:
        return []
    edges: set[int] = set()
    for line, how in zip(dub.fitted.lines, dub.fitted.how, strict=True):
        edges |= {floor(line.start_s * rate) - FADE - 1, ceil(how.end_s * rate) + FADE + 1}
    return sorted(edge for edge in edges if 0 < edge < dub.frames)


def marks_of(run: DubRun, dub: DubState) -> FrameMarks:
    """What a dub's frames get besides what is drawn."""
    return run.recipe.marks.on(dub.id, dub.fingerprint, dub.label)


def rows(run: DubRun, dub: DubState) -> list[SegmentFaces]:
    """The rows of a dub. Of several faces, a row has those that speak in it, or the first one where none does."""
    faces = dub.faces or (UNKNOWN,)  # they are only counted
    bounds = ranges_of(run, dub)
    by_face = [segments(run, dub, face, bounds) for face in faces]
    return [SegmentFaces(_speaking(each) if len(each) > 1 else each) for each in zip(*by_face, strict=True)]


def parts_plan(run: DubRun, dub: DubState) -> PartsPlan | None:
    """What decides the pixels of a dub's parts; None where they depend on the whole of its sound."""
    if not run.recipe.method.by_sound:
        return None
    recipe = storage.digest(FRAMES_VERSION, run.recipe.digest, dub.video_key)
    return PartsPlan(tuple(rows(run, dub)), run.generator.audio, recipe)


def _speaking(faces: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Those that speak in the source frames of their range; the first one where none does."""
    shown = faces[0].source_frames()
    return tuple(one for one in faces if (spoken := one.spoken) is None or spoken[shown].any()) or faces[:1]


def whole(run: DubRun, dub: DubState, face: DubbedFace) -> Segment:
    """A dub's rows as one, for one of its faces."""
    (found,) = segments(run, dub, face, [(0, dub.frames)])
    return found


def segments(run: DubRun, dub: DubState, face: DubbedFace, bounds: Sequence[tuple[int, int]]) -> list[Segment]:
    """The ranges [start, stop) of a dub for one of its faces."""
    assert dub.info is not None
    assert dub.speech is not None
    settings = run.settings
    folder = run.url(previews.FOLDER)
    frames = previews.preview_frames(dub.frames) if settings.restore else ()
    shown = [(frame, previews.row_url(folder, dub.id, frame)) for frame in frames]
    marks, name = marks_of(run, dub), key_of_pictures(dub.fingerprint, dub.info)
    # A head that is alone in its picture has no samples of the source in it.
    shown_in = dub.info if run.recipe.method.side else keeping(dub.info, settings.coding)
    video = replace(shown_in, decoder=settings.decoder)
    return [
        Segment(
            key=f"{dub.id}-{start}",
            dub=dub.id,
            start=start,
            stop=stop,
            video=video,
            speech=face.speech or dub.speech,
            loop=settings.loop,
            table=dub.table,
            method_input=face.method_input,
            sight=face.sight,
            chosen=face.person.chosen,
            spans=face.person.spans,
            box=run.recipe.method.box,
            pauses=run.recipe.pauses,
            blend=settings.blend or "feather",
            coding=settings.coding,
            url=run.url("parts", dub.id, part_name(f"{name}-{start}-{stop}", settings.coding)),
            previews=tuple((frame, url) for frame, url in shown if start <= frame < stop),
            marks=marks,
            sets_id=dub.groups.sets_id if dub.groups is not None else 0,
        )
        for start, stop in bounds
    ]
