"""When and where an enhanced video's faces were drawn anew, found from its face table; nothing is decoded."""

from __future__ import annotations

import numpy as np

from lipsync_ray.errors import LipsyncError
from lipsync_ray.faces.align import extent, similarity
from lipsync_ray.faces.crop import crop_box
from lipsync_ray.faces.table import read_table
from lipsync_ray.io.results import Drawn
from lipsync_ray.jobs.enhance.plan import EnhanceRow
from lipsync_ray.media.picture import Box
from lipsync_ray.provenance.drawn_ranges import around, drawn_ranges
from lipsync_ray.settings import Region


def drawn_in(whole: EnhanceRow, region: Region) -> tuple[Drawn, ...] | None:
    """Of a video.

    Parameters
    ----------
    whole : its rows as one, from its first frame to its last
    region : what of each face is restored

    Returns
    -------
    None where no table says whose faces they are
    """
    if whole.table is None:
        return None
    try:
        table = read_table(whole.table)
    except (OSError, LipsyncError):
        return None
    video, scale = whole.video, np.array(whole.scale, np.float32)
    found: dict[int, Box] = {}
    for index in np.flatnonzero(np.isin(table.track, whole.chosen)).tolist():
        if region == "mouth":
            box = crop_box(table.box[index] * np.tile(scale, 2), whole.pads, video.width, video.height)
        else:
            box = extent(similarity(table.landmarks[index] * scale), video.width, video.height)
        if box is not None:
            frame = int(table.frame[index])
            found[frame] = around(found[frame], box) if frame in found else box
    scenes = dict(zip(table.frame.tolist(), table.scene.tolist(), strict=True))
    shown = whole.table_rows().tolist()
    boxes = [found.get(frame) for frame in shown]
    larger = [box and Box(*(edge * whole.upscale for edge in box)) for box in boxes]
    return drawn_ranges(larger, [scenes.get(frame, -1) for frame in shown], video.rate)
