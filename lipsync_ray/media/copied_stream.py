"""A stream of pictures for packets that are copied from another file."""

from __future__ import annotations

from typing import Any

ISO_MUXERS = ("mp4", "mov")


def copied_stream(container: Any, stream: Any) -> Any:
    """A stream in an open container for the packets of `stream`, with all that describes it."""
    made = container.add_stream_from_template(stream, opaque=True)
    aspect = stream.sample_aspect_ratio
    if aspect and made.codec_context.sample_aspect_ratio != aspect:  # of a codec that has none of its own
        made.codec_context.sample_aspect_ratio = aspect
    if stream.codec_context.name == "hevc" and container.format.name in ISO_MUXERS:
        made.codec_context.codec_tag = "hvc1"
    return made
