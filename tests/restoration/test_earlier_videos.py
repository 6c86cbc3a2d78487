"""Videos of earlier runs in a run's folder."""

from lipsync_ray.io import storage
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.restoration.earlier_videos import EarlierVideos


def test_those_that_are_there_are_found_in_every_container(place):
    for name in ("a.mp4", "a.mkv", "b.mov"):
        storage.commit_bytes(storage.join(place, name), b"x")
    videos, coding = EarlierVideos(place), VideoCoding(container="mp4")
    named = lambda urls: [storage.name_of(url) for url in urls]  # noqa: E731
    assert named(videos.of("a", coding)) == ["a.mp4", "a.mkv"]
    assert named(videos.others("a", coding)) == ["a.mkv"]
    assert named(videos.of("b", coding)) == ["b.mov"]
    assert videos.of("c", coding) == []
