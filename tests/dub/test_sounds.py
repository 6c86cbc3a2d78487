"""Which options of sound change what, and which change nothing."""

from types import SimpleNamespace

import pytest

from lipsync_ray.errors import ManifestError, SettingsError
from lipsync_ray.io.manifest import NONE, SOURCE, Dub, read_manifest, with_background
from lipsync_ray.jobs.dub.methods.method import Networks
from lipsync_ray.jobs.dub.recipe import Recipe
from lipsync_ray.jobs.dub.sounds import background_url, check_options, sound_digest
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.models import generators
from lipsync_ray.models.weights import by_name
from lipsync_ray.settings import DubSettings, SoundSettings

MUSIC = ("music.wav", "c1")
PLAIN, WEBM = VideoCoding(), VideoCoding(codec="av1", container="webm")


def digest(background=None, own=False, coding=PLAIN, **options):
    dub = SimpleNamespace(background=background, row=Dub("d", "v.mp4", "a.wav", background=SOURCE if own else None))
    return sound_digest(DubSettings(sound=SoundSettings(**options), coding=coding), dub)


def test_by_default_there_is_nothing_to_tell():
    assert digest() is None
    assert digest(duck=12.0, background_gain=-3.0, voice_channel="center") is None, "it has no background"


@pytest.mark.parametrize(
    "options",
    [
        {"loudness": -23.0},
        {"loudness": -16.0},
        {"true_peak": -1.0},
        {"keep_audio": True},
        {"codec": "flac"},
        {"background": MUSIC},
        {"background": ("music.wav", "c2")},
        {"background": MUSIC, "own": True},
        {"background": MUSIC, "duck": 12.0},
        {"background": MUSIC, "background_gain": -3.0},
        {"background": MUSIC, "voice_channel": "center"},
    ],
    ids=str,
)
def test_every_option_is_another_sound(options):
    known = {digest(), digest(loudness=-14.0), digest(MUSIC, duck=6.0)}
    assert digest(**options) not in known
    assert digest(**options) == digest(**options)


def test_what_is_meant_by_default_is_the_same_sound():
    assert digest(loudness=-23.0) == digest(loudness=-23.0, true_peak=-1.0) == digest(loudness=-23)
    assert digest(MUSIC) == digest(("moved/music.wav", "c1"))
    assert digest(codec="aac") is None
    assert digest(coding=WEBM, codec="opus") is digest(coding=WEBM) is None


def test_no_option_of_sound_is_part_of_a_picture():
    mini = by_name("mini")
    recipe = Recipe(DubSettings(model="mini"), Networks(generators.spec_of(mini), mini, None), "cpu")
    sound = SoundSettings("music.wav", -3.0, 12.0, "center", -23.0, -2.0, keep_audio=True, codec="opus")
    other = Recipe(DubSettings(model="mini", sound=sound), recipe.networks, "cpu")
    assert other.fingerprinted() == recipe.fingerprinted()


def test_a_record_tells_no_secret():
    settings = DubSettings(sound=SoundSettings("https://user:word@host/m.wav?X-Amz-Signature=abc"))
    assert settings.record()["sound"]["background"] == "https://host/m.wav"


def test_an_option_for_a_background_needs_one():
    plain, with_music = Dub("d", "v", "a"), Dub("e", "v", "a", background="m.wav")
    for options in ({"duck": 6.0}, {"background_gain": 3.0}, {"voice_channel": "center"}):
        with pytest.raises(SettingsError, match="is for --background, or a column background"):
            check_options(SoundSettings(**options), "mp4", [plain])
        check_options(SoundSettings(**options), "mp4", [plain, with_music])


def test_a_codec_goes_into_a_container_that_holds_it():
    for container, codec in (("mp4", "flac"), ("mov", "pcm"), ("mkv", "opus")):
        check_options(SoundSettings(codec=codec), container, [])
    with pytest.raises(SettingsError, match=r"a \.webm takes opus; --container mp4 or mov or mkv takes aac"):
        check_options(SoundSettings(codec="aac"), "webm", [])
    with pytest.raises(SettingsError, match=r"a \.mov takes aac, pcm; --container mp4 or mkv or webm takes opus"):
        check_options(SoundSettings(codec="opus"), "mov", [])


def test_a_table_comes_first_and_the_option_fills_what_is_empty(tmp_path):
    for name in ("v.mp4", "a.wav", "m.wav", "n.wav"):
        (tmp_path / name).write_bytes(b"x")
    rows = [
        "id,video,audio,background",
        "a,v.mp4,a.wav,source",
        "b,v.mp4,a.wav,none",
        "c,v.mp4,a.wav,m.wav",
        "d,v.mp4,a.wav,",
    ]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    dubs = with_background(read_manifest(str(tmp_path / "t.csv")), str(tmp_path / "n.wav"))
    assert [dub.background for dub in dubs] == [SOURCE, None, str(tmp_path / "m.wav"), str(tmp_path / "n.wav")]
    assert [background_url(dub) for dub in dubs][:2] == [dubs[0].video, None]
    assert [dub.background for dub in with_background(dubs, NONE)][1] is None
    with pytest.raises(ManifestError, match="--background: no such file"):
        with_background(dubs, str(tmp_path / "gone.wav"))


def test_a_background_that_is_missing_and_voices_that_differ_in_it_are_refused(tmp_path):
    for name in ("v.mp4", "a.wav"):
        (tmp_path / name).write_bytes(b"x")
    rows = [
        "id,video,audio,face,background",
        "a,v.mp4,a.wav,left,gone.wav",
        "b,v.mp4,a.wav,left,source",
        "b,v.mp4,a.wav,right,none",
    ]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    with pytest.raises(ManifestError) as refused:
        read_manifest(str(tmp_path / "t.csv"))
    assert "row 1, column 'background'" in str(refused.value)
    assert "row 3, column 'background': another than in row 2" in str(refused.value)
