"""Videos that lie in a run's folder since an earlier run."""

from __future__ import annotations

from functools import cached_property

from lipsync_ray.io import storage
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import other_names, video_name


class EarlierVideos:
    """The folder of finished videos, listed once: asking a bucket for each name would be three requests a video.

    Parameters
    ----------
    url : of the folder
    """

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _names(self) -> set[str]:
        return storage.list_names(self._url)

    def of(self, name: str, coding: VideoCoding) -> list[str]:
        """URLs of a video that an earlier run wrote in this container or another."""
        own = video_name(name, coding)
        return [*([storage.join(self._url, own)] if own in self._names else []), *self.others(name, coding)]

    def others(self, name: str, coding: VideoCoding) -> list[str]:
        """URLs of a video that an earlier run wrote in another container."""
        return [storage.join(self._url, other) for other in sorted(self._names.intersection(other_names(name, coding)))]
