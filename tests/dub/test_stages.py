"""The stages without Ray, on the demo's moving portrait."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from clips import all_visible, tone, write_audio

from lipsync_ray.errors import DecodeError, EncodeError, ProbeError
from lipsync_ray.faces.choices import Pads
from lipsync_ray.faces.table import read_table
from lipsync_ray.inputs.audio_features import AudioSource, extract_audio_features
from lipsync_ray.inputs.face_tables import Detect, TableOrder, face_rows, make_table
from lipsync_ray.inputs.probe import VideoSource, probe
from lipsync_ray.inputs.speakers import SpeakerQuery, SpeakingPerson, choose_speaker
from lipsync_ray.io import storage
from lipsync_ray.jobs.dub.assemble import VideoOrder, make_video
from lipsync_ray.jobs.dub.coverage import FaceSight, coverage_of
from lipsync_ray.jobs.dub.methods.paste import Crop, Sync
from lipsync_ray.jobs.dub.segment import Segment
from lipsync_ray.media import decode, mel
from lipsync_ray.media.audio import Span
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.sound_writers import AudioTrack
from lipsync_ray.media.soundtrack import Soundtrack
from lipsync_ray.media.timeline import source_frames
from lipsync_ray.models import generators
from lipsync_ray.models.weights import by_name
from lipsync_ray.restoration.compose import Compose


@pytest.fixture(scope="module")
def prepared(demo_inputs, tmp_path_factory):
    """A folder with the face table and mel of the demo's pan.mp4 and en.ogg, and a segment of theirs."""
    out = str(tmp_path_factory.mktemp("run"))
    video = probe(VideoSource(str(demo_inputs / "pan.mp4"), "v", Fraction(25)))
    speech = extract_audio_features(AudioSource(str(demo_inputs / "en.ogg"), "a", False, storage.join(out, "sources")))
    rows = face_rows("v", video, storage.join(out, "faces", "parts", "v"), 30)
    for row in rows:
        scanned = Detect("cpu")(row)
        assert scanned.detected < scanned.frames
    table = storage.join(out, "faces", "v.parquet")
    make_table(TableOrder("v", video, tuple(row.url for row in rows), table))
    speaker = choose_speaker(SpeakerQuery("v", table, "largest", video.width, video.height))
    seen = storage.join(out, "v.sight")
    storage.commit_bytes(seen, all_visible(video.frames).to_bytes())
    segment = Segment(
        "d-0", "d", 0, 40, video, speech, "pingpong", table, None, seen, speaker.chosen, Pads(), "none", "feather",
        VideoCoding(crf=0), storage.join(out, "parts", "d", "0.mp4"),
    )  # fmt: skip
    return out, segment


@pytest.fixture(scope="module")
def sync():
    return Sync(generators.spec_of(by_name("mini")), by_name("mini"), "cpu", "auto", None)


def made(segment, sync):
    composed = Compose()(sync(Crop(96)(segment)))
    info = probe_video(segment.url)
    return composed, list(decode.pictures(info, 0, info.frames))


def test_the_table_has_the_face_in_every_frame(prepared):
    out, segment = prepared
    tracks = read_table(segment.table)
    assert tracks.frame.tolist() == list(range(segment.video.frames))
    assert 0 < tracks.detected.sum() < len(tracks.frame)
    assert storage.list_tree(storage.join(out, "faces", "parts")) == set()
    faces = [FaceSight(SpeakingPerson("largest", segment.chosen), all_visible(segment.video.frames))]
    coverage = coverage_of(segment.video, segment.table, faces, Pads())
    counts = coverage.counts(source_frames(np.arange(500), segment.video.frames, "pingpong"))
    assert (counts.faced, counts.hidden, counts.lost, counts.faceless) == (500, 0, 0, 0)


def test_the_mel_read_in_parts_is_the_mel(prepared, demo_inputs):
    _, segment = prepared
    speech = segment.speech
    from lipsync_ray.media import audio

    whole = np.concatenate(list(mel.mel_blocks(audio.speech_blocks(str(demo_inputs / "en.ogg")))))
    assert speech.columns == len(whole)
    assert np.array_equal(speech.read(100, 140), whole[100:140])
    assert len(speech.read(-5, 3)) == 3
    assert len(speech.read(speech.columns, speech.columns + 5)) == 0


def test_only_the_face_changes_and_it_does(prepared, sync):
    _, segment = prepared
    composed, pictures = made(segment, sync)
    assert (composed.frames, composed.drawn) == (40, 40)
    changed = 0
    for index, (before, after) in enumerate(zip(decode.pictures(segment.video, 0, 40), pictures, strict=True)):
        x0, y0, x1, y1 = read_table(segment.table, index, index + 1).box[0]
        grown = 0.05 * (y1 - y0) + 1
        inside = np.zeros(before.y.shape, bool)
        inside[int(y0) - 1 : int(y1 + grown) + 1, int(x0) - 1 : int(x1) + 2] = True
        assert np.array_equal(before.y[~inside], after.y[~inside])
        changed += int((before.y != after.y).sum())
    assert changed > 40 * 200


def assert_same_in_pieces(segment, sync, bounds):
    whole = made(segment, sync)[1]
    found = []
    for start, stop in itertools.pairwise(bounds):
        found += made(replace(segment, start=start, stop=stop), sync)[1]
    for a, b in zip(whole, found, strict=True):
        assert all(np.array_equal(getattr(a, plane), getattr(b, plane)) for plane in "yuv")


@pytest.mark.parametrize("bounds", [(0, 13, 40), (0, 1, 2, 39, 40)])
def test_splits_do_not_change_a_frame(prepared, sync, bounds):
    _, segment = prepared
    assert_same_in_pieces(segment, sync, bounds)


def test_the_way_back_of_a_loop_shows_the_same_source(prepared, sync):
    _, segment = prepared
    frames = segment.video.frames
    back = replace(segment, start=frames - 5, stop=frames + 5)
    assert back.source_frames().tolist() == [*range(frames - 5, frames), *range(frames - 2, frames - 7, -1)]
    pictures = made(back, sync)[1]
    assert np.array_equal(pictures[3].y[:40], pictures[5].y[:40])  # frame 98, there and back: above the face the same


def test_frames_without_a_face_pass_through(prepared, sync):
    _, segment = prepared
    nobody = replace(segment, chosen=(7,))
    composed, pictures = made(nobody, sync)
    assert composed.drawn == 0
    for before, after in zip(decode.pictures(segment.video, 0, 40), pictures, strict=True):
        assert all(np.array_equal(getattr(before, plane), getattr(after, plane)) for plane in "yuv")


def with_hidden(segment, hidden, tmp_path):
    seen = all_visible(segment.video.frames)
    seen.hidden[list(hidden)] = True
    url = str(tmp_path / "hidden.sight")
    storage.commit_bytes(url, seen.to_bytes())
    return replace(segment, sight=url)


def test_a_hidden_mouth_passes_through_and_what_is_drawn_fades_around_it(prepared, sync, tmp_path):
    _, segment = prepared
    source = list(decode.pictures(segment.video, 0, 40))
    plain = made(segment, sync)[1]
    composed, pictures = made(with_hidden(segment, range(16, 24), tmp_path), sync)
    assert (composed.frames, composed.drawn) == (40, 32)
    drawn = [np.abs(a.y.astype(int) - s.y).sum() for a, s in zip(plain, source, strict=True)]
    left = [np.abs(a.y.astype(int) - s.y).sum() for a, s in zip(pictures, source, strict=True)]
    assert left[16:24] == [0] * 8
    assert left[:12] == drawn[:12]
    assert left[28:] == drawn[28:]
    shares = [a / b for a, b in zip(left[12:16], drawn[12:16], strict=True)]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < 0.3 < 0.7 < shares[0] < 1


@pytest.mark.parametrize("bounds", [(0, 13, 18, 40), (0, 22, 40)])
def test_splits_do_not_change_how_it_fades(prepared, sync, tmp_path, bounds):
    segment = with_hidden(prepared[1], range(16, 24), tmp_path)
    assert_same_in_pieces(segment, sync, bounds)


def test_a_video_is_joined_and_a_missing_part_is_said(prepared, sync, demo_inputs):
    out, segment = prepared
    halves = [
        replace(segment, start=a, stop=b, url=storage.join(out, "parts", "d", f"{a}.mp4"))
        for a, b in ((0, 16), (16, 40))
    ]
    for half in halves:
        made(half, sync)
    track = AudioTrack(str(demo_inputs / "en.ogg"), Span(0, 48000), Fraction(40, 25))
    parts, url = tuple((h.start, h.url) for h in halves), storage.join(out, "videos", "d.mp4")
    order = VideoOrder("d", parts, 40, Fraction(25), Soundtrack(track), url)
    assert probe_video(make_video(order).url).frames == 40
    with pytest.raises(EncodeError, match="16 frames in its parts, 40 planned"):
        make_video(replace(order, parts=order.parts[:1]))


def test_listening_is_done_once(tmp_path, demo_inputs):
    source = AudioSource(str(demo_inputs / "es.ogg"), "k", True, str(tmp_path))
    first = extract_audio_features(source)
    before = (tmp_path / "k-4.mel").stat().st_mtime_ns
    assert extract_audio_features(source) == first
    assert (tmp_path / "k-4.mel").stat().st_mtime_ns == before
    assert 0 < first.span.stop - first.span.start <= first.sound.samples


def test_trimmed_audio_begins_where_it_sounds(tmp_path):
    quiet = np.zeros(16000, np.float32)
    path = write_audio(tmp_path / "a.wav", np.concatenate((quiet, tone(1), quiet)))
    speech = extract_audio_features(AudioSource(str(path), "k", True, str(tmp_path)))
    assert float(speech.duration_s) == pytest.approx(1.2, abs=0.02)
    assert speech.columns == mel.columns_of(speech.span.stop - speech.span.start)


@pytest.mark.parametrize(("name", "content"), [("empty.wav", b""), ("text.wav", b"hello there"), ("absent.wav", None)])
def test_what_cannot_be_heard_is_said(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((ProbeError, DecodeError), match=name):
        extract_audio_features(AudioSource(str(path), "k", False, str(tmp_path)))


def test_another_language_of_a_segment_decodes_and_crops_nothing(prepared, monkeypatch):
    _, segment = prepared
    crop, compose = Crop(96), Compose()
    read, plain = [], decode.pictures_at
    monkeypatch.setattr(decode, "pictures_at", lambda info, wanted: read.append(wanted) or plain(info, wanted))
    first = crop(segment)
    compose(first)
    other = replace(segment, key="e-0", dub="e", url=storage.join(storage.parent(segment.url), "e.mp4"))
    second = crop(other)
    compose(second)
    assert len(read) == 1
    assert second.row is other
    assert second.faces is first.faces
    assert storage.read_bytes(other.url) == storage.read_bytes(segment.url)
    assert other.near == segment.near != replace(segment, stop=39).near


@pytest.mark.parametrize("change", [{"start": 1}, {"chosen": (7,)}, {"box": Pads(0.1)}, {"table": "another"}])
def test_what_shows_other_faces_is_cropped_anew(prepared, change):
    _, segment = prepared
    assert replace(segment, **change).crop_key != segment.crop_key
