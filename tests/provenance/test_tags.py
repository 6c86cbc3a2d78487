"""Tags, read by others' readers: ExifTool, and FFmpeg through PyAV."""

import json
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from clips import barcode, tone, write_both

from lipsync_ray.errors import EncodeError
from lipsync_ray.media import decode
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.encode import encode
from lipsync_ray.media.join import Part, join
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.sound_writers import AudioCopy
from lipsync_ray.provenance.claims import CREATED, EDITED, Claim
from lipsync_ray.provenance.marking import Marking, MarkOrder, mark_again
from lipsync_ray.provenance.tags import (
    boxes,
    has_manifest,
    packet_of,
    read_packet,
    sentence_in,
    source_type_in,
    untagged_png,
    write_tags,
)

CLAIM = Claim("a.mp4", "lips", "warp")
ODD = Claim("a.mp4", "lips", 'a<b> & "c" 한')


def packets(path):
    with av.open(str(path)) as container:
        found = [packet for packet in container.demux() if packet.dts is not None]
        return [(p.stream.index, p.pts, p.dts, p.duration, p.time_base, bytes(p)) for p in found]


def kinds(path):
    with path.open("rb") as file:
        return [kind.decode("latin-1") for kind, _, _ in boxes(file, path.stat().st_size)]


def packet_in(path):
    with path.open("rb") as file:
        return read_packet(file, path.stat().st_size)


def by_exiftool(path):
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool (Debian: libimage-exiftool-perl)")
    done = subprocess.run(["exiftool", "-j", "-G1", "-a", str(path)], capture_output=True, check=True)
    return json.loads(done.stdout)[0]


@pytest.fixture
def video(tmp_path):
    return write_both(tmp_path / "source.mp4", [barcode(i) for i in range(40)], tone(1.6, 48_000))


@pytest.fixture
def joined(video, tmp_path):
    """The video's packets, joined as products are."""
    path = tmp_path / "a.mp4"
    join([Part(0, video.read_bytes)], Fraction(25), AudioCopy(str(video), Fraction(0)), path, CLAIM.sentence)
    return path


def test_tags_change_no_packet_and_leave_the_index_in_front(joined, tmp_path):
    plain = tmp_path / "plain.mp4"
    shutil.copy(joined, plain)
    write_tags(joined, CLAIM)
    assert joined.read_bytes().startswith(plain.read_bytes())
    assert kinds(plain)[:2] == ["ftyp", "moov"]
    assert kinds(joined) == [*kinds(plain), "uuid"]
    assert packets(joined) == packets(plain)


def test_an_index_at_the_end_stays_where_it_is(video):
    before = packets(video)
    order = kinds(video)
    assert order.index("mdat") < order.index("moov")
    write_tags(video, CLAIM)
    assert (kinds(video), packets(video)) == ([*order, "uuid"], before)


def test_a_comment_changes_no_packet(video, joined, tmp_path):
    plain = tmp_path / "plain.mp4"
    join([Part(0, lambda: video)], Fraction(25), AudioCopy(str(video), Fraction(0)), plain)
    assert packets(joined) == packets(plain)


@pytest.mark.parametrize("claim", [CLAIM, ODD, replace(CLAIM, task="head", whole=True)], ids=lambda claim: claim.model)
def test_another_reader_finds_the_tags(joined, claim):
    write_tags(joined, claim)
    found = by_exiftool(joined)
    assert found["XMP-iptcExt:DigitalSourceType"] == (CREATED if claim.whole else EDITED)
    assert found["XMP-dc:Description"] == claim.sentence
    assert found["ItemList:Comment"] == found["ItemList:Description"] == CLAIM.sentence
    with av.open(str(joined)) as container:
        assert container.metadata["comment"] == container.metadata["description"] == CLAIM.sentence


@pytest.mark.parametrize("claim", [CLAIM, ODD], ids=lambda claim: claim.model)
def test_tags_are_read_back(joined, claim):
    write_tags(joined, claim)
    packet = packet_in(joined)
    assert (source_type_in(packet), sentence_in(packet)) == (EDITED, claim.sentence)


def test_the_same_claim_is_the_same_bytes():
    assert packet_of(CLAIM) == packet_of(Claim("a.mp4", "lips", "warp"))


def write_png(path):
    path.write_bytes(
        cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8))[1].tobytes()
    )
    return path


def test_a_picture_is_tagged_and_untagged(tmp_path):
    path = write_png(tmp_path / "a.png")
    plain = path.read_bytes()
    write_tags(path, CLAIM)
    write_tags(path, ODD)  # instead of the ones before
    assert np.array_equal(cv2.imread(str(path)), cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR))
    packet = packet_in(path)
    assert packet.count("DigitalSourceType>") == 2
    assert (source_type_in(packet), sentence_in(packet)) == (EDITED, ODD.sentence)
    assert untagged_png(path.read_bytes()) == plain
    found = by_exiftool(path)
    assert found["XMP-iptcExt:DigitalSourceType"] == EDITED
    assert found["PNG:Description"] == ODD.sentence


def test_other_files_are_not_written_into(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF....WAVE")
    with pytest.raises(EncodeError, match="neither an MP4"):
        write_tags(path, CLAIM)
    assert path.read_bytes() == b"RIFF....WAVE"


@pytest.mark.parametrize(
    "packet",
    [
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description Iptc4xmpExt:DigitalSourceType="{}"/></x:xmpmeta>',
        "<x:xmpmeta a='b'><Iptc4xmpExt:DigitalSourceType>\n {} </Iptc4xmpExt:DigitalSourceType></x:xmpmeta>",
    ],
)
def test_tags_of_other_programs_are_understood(tmp_path, packet):
    for name, before in (("a.jpg", b"\xff\xd8\xff\xe1"), ("a.webm", b"\x1aE\xdf\xa3" + b"\0" * 3_000_000)):
        path = tmp_path / name
        path.write_bytes(before + packet.format(CREATED).encode() + b"\0" * 100)
        assert source_type_in(packet_in(path)) == CREATED


@pytest.mark.parametrize("size", [0, 3, 8, 2**31, 2**32 - 1])
def test_boxes_that_make_no_sense_end_the_search(tmp_path, size):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + size.to_bytes(4, "big") + b"uuid" + b"x" * 40)
    assert packet_in(path) == ""
    with path.open("rb") as file:
        assert not has_manifest(file, path.stat().st_size)


def test_a_finished_file_says_something_else_and_is_the_same_otherwise(joined, video, tmp_path):
    plain = tmp_path / "plain" / "a.mp4"
    plain.parent.mkdir()
    join([Part(0, video.read_bytes)], Fraction(25), AudioCopy(str(video), Fraction(0)), plain)
    write_tags(joined, CLAIM)
    order = MarkOrder("a", str(joined), 40, Fraction(25), ODD, Marking("tags"))
    mark_again(order)
    assert sentence_in(packet_in(joined)) == ODD.sentence
    assert kinds(joined).count("uuid") == 1
    mark_again(replace(order, marking=Marking("none")))
    assert joined.read_bytes() == plain.read_bytes()


def test_a_file_of_other_frames_is_left_as_it_was(joined):
    before = joined.read_bytes()
    with pytest.raises(EncodeError, match="40 frames in it, 41 in its record"):
        mark_again(MarkOrder("a", str(joined), 41, Fraction(25), ODD, Marking("tags")))
    assert joined.read_bytes() == before


@pytest.mark.parametrize(("codec", "container"), [("h264", "mkv"), ("ffv1", "mkv"), ("hevc", "mov"), ("prores", "mov")])
def test_videos_in_other_containers_are_tagged_and_marked_again(codec, container, video, tmp_path):
    """Matroska gets a void element behind its last one, QuickTime a box; every packet stays, and FFmpeg reads it as before."""
    coding, path = VideoCoding(codec=codec, container=container), tmp_path / f"a.{container}"
    info = probe_video(str(video))
    part = encode(decode.pictures(info, 0, 40), Fraction(25), Fraction(1), coding)
    join([Part(0, lambda: part)], Fraction(25), AudioCopy(str(video), Fraction(0)), path, CLAIM.sentence)
    plain, before = path.read_bytes(), packets(path)
    write_tags(path, CLAIM)
    assert path.read_bytes().startswith(plain)
    assert packets(path) == before
    assert (source_type_in(packet_in(path)), sentence_in(packet_in(path))) == (EDITED, CLAIM.sentence)
    marking = Marking("tags")
    mark_again(MarkOrder("a", str(path), 40, Fraction(25), ODD, marking))
    assert sentence_in(packet_in(path)) == ODD.sentence
    assert CLAIM.sentence not in packet_in(path)
    assert [packet[-1] for packet in packets(path)] == [packet[-1] for packet in before]
    assert probe_video(str(path)).frames == 40
