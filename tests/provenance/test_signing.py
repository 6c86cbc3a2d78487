"""Signed manifests: written, read back by c2pa's own reader, and refused before anything starts where they cannot be."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import av
import pytest
from certificates import KEYS, certificate, pem_of, pem_of_key, write_signer
from clips import barcode, tone, write_audio, write_both
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from lipsync_ray.errors import ChangedError, SettingsError, SigningError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import identity
from lipsync_ray.io.results import Drawn
from lipsync_ray.media.one_file import LanguageDub, join_languages
from lipsync_ray.provenance.claims import CREATED, EDITED, Claim, Network, SourceFile
from lipsync_ray.provenance.inspection import inspect_file
from lipsync_ray.provenance.manifest import FACTS, sign_file
from lipsync_ray.provenance.marking import Marking, MarkOrder, checked_signer, mark_again, marking_of
from lipsync_ray.provenance.tags import write_tags
from lipsync_ray.settings import ProvenanceSettings

c2pa = pytest.importorskip("c2pa", reason="needs the extra provenance (c2pa-python)")

CLAIM = Claim(
    "a.mp4", "lips", "warp", (Network("warp", "ab12", "Apache-2.0"),), consent="signed 2026-11-02", rights="all"
)


@pytest.fixture(scope="module")
def signer_files(tmp_path_factory):
    return write_signer(tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="module")
def signer(signer_files):
    return checked_signer(asked(*signer_files))


@pytest.fixture
def video(tmp_path):
    return write_both(tmp_path / "source.mp4", [barcode(i) for i in range(40)], tone(1.6, 48_000))


def asked(chain, key, *_, **more):
    return ProvenanceSettings("c2pa", str(chain), key and str(key), **more)


def packets(path):
    with av.open(str(path)) as container:
        return [(p.stream.index, p.pts, p.dts, bytes(p)) for p in container.demux() if p.dts is not None]


def read(path):
    with c2pa.Reader(str(path)) as reader:
        store = json.loads(reader.json())
        return store["manifests"][store["active_manifest"]], reader.get_validation_state(), store


def assertion(manifest, label):
    (found,) = [one["data"] for one in manifest["assertions"] if one["label"] == label]
    return found


def test_a_manifest_says_what_was_done_by_what_and_where(video, signer, tmp_path):
    sound = write_audio(tmp_path / "a.wav", tone(1.6))
    target = tmp_path / "a.mp4"
    shutil.copy(video, target)
    claim = replace(
        CLAIM,
        sources=(SourceFile("video", str(video), identity(str(video))), SourceFile("audio", str(sound))),
        drawn=(Drawn(0.4, 1.2, 10, 20, 30, 40),),
    )
    sign_file(target, claim, signer, clear=False)
    assert packets(target) == packets(video)
    manifest, state, _ = read(target)
    assert state == "Valid"
    opened, edited, placed = assertion(manifest, "c2pa.actions.v2")["actions"]
    assert [one["action"] for one in (opened, edited, placed)] == ["c2pa.opened", "c2pa.edited", "c2pa.placed"]
    assert edited["digitalSourceType"] == EDITED
    assert edited["parameters"]["lipsync-ray.models"] == [{"name": "warp", "sha256": "ab12", "licence": "Apache-2.0"}]
    when, where = edited["changes"][0]["region"]
    assert (when["time"]["start"], when["time"]["end"]) == ("0.400", "1.200")
    assert (where["shape"]["origin"], where["shape"]["width"]) == ({"x": 10, "y": 20}, 30)
    assert [one["relationship"] for one in manifest["ingredients"]] == ["parentOf", "componentOf"]
    facts = assertion(manifest, FACTS)
    digests = [
        subprocess.run(["sha256sum", path], capture_output=True, text=True).stdout.split()[0] for path in (video, sound)
    ]
    assert [one["sha256"] for one in facts["sources"]] == digests
    assert "signed 2026" not in json.dumps(manifest)
    assert set(facts["consent"]) == {"sha256"}


def test_a_file_of_several_dubs_places_them_and_keeps_their_manifests(video, signer, tmp_path):
    dubs = [tmp_path / f"{language}.mp4" for language in ("en", "es")]
    for dub in dubs:
        shutil.copy(video, dub)
        sign_file(dub, replace(CLAIM, title=dub.name), signer, clear=False)
    target = tmp_path / "talk.mp4"
    join_languages([LanguageDub(dub, dub.stem, Fraction(25), 40) for dub in dubs], target)
    before = packets(target)
    claim = Claim("talk.mp4", "languages", "warp", sources=tuple(SourceFile("video", str(dub)) for dub in dubs))
    write_tags(target, claim)
    sign_file(target, claim, signer, clear=False)
    assert packets(target) == before
    manifest, state, store = read(target)
    assert state == "Valid"
    created, placed = assertion(manifest, "c2pa.actions.v2")["actions"]
    assert (created["action"], created["digitalSourceType"]) == ("c2pa.created", EDITED)
    assert (placed["action"], len(placed["parameters"]["ingredients"])) == ("c2pa.placed", 2)
    assert [one["relationship"] for one in manifest["ingredients"]] == ["componentOf"] * 2
    assert len(store["manifests"]) == 3
    found = inspect_file(target, pixels=False)
    assert found.marked
    assert set(found.manifest.chain) == {"talk.mp4", "en.mp4", "es.mp4"}


def test_consent_in_words_where_that_is_asked_for(video, signer):
    sign_file(video, CLAIM, signer, clear=True)
    facts = assertion(read(video)[0], FACTS)
    assert (facts["consent"], facts["rights"]) == ("signed 2026-11-02", "all")


def test_a_new_head_is_created_from_what_it_was_made_of(video, signer, tmp_path):
    target = tmp_path / "head.mp4"
    shutil.copy(video, target)
    claim = Claim("head.mp4", "head", "echomimic", sources=(SourceFile("video", str(video)),), whole=True)
    sign_file(target, claim, signer, clear=False)
    manifest, state, _ = read(target)
    assert state == "Valid"
    assert assertion(manifest, "c2pa.actions.v2")["actions"][0]["action"] == "c2pa.created"
    assert assertion(manifest, "c2pa.actions.v2")["actions"][0]["digitalSourceType"] == CREATED
    assert [one["relationship"] for one in manifest["ingredients"]] == ["inputTo"]


def test_many_stretches_become_a_thousand(video, signer):
    drawn = tuple(Drawn(i, i + 0.5, i, 2, 10, 10) for i in range(2500))
    sign_file(video, replace(CLAIM, drawn=drawn), signer, clear=False)
    changes = assertion(read(video)[0], "c2pa.actions.v2")["actions"][-1]["changes"]
    assert len(changes) == 834
    assert changes[-1]["region"][0]["time"]["end"] == "2499.500"
    assert changes[0]["region"][1]["shape"]["width"] == 12


def test_one_flipped_byte_is_seen(video, signer, signer_files):
    write_tags(video, CLAIM)
    sign_file(video, CLAIM, signer, clear=False)
    assert inspect_file(video).marked
    assert inspect_file(video, str(signer_files[2])).manifest.state == "Trusted"
    data = bytearray(video.read_bytes())
    data[data.index(b"mdat") + 900] ^= 1
    video.write_bytes(data)
    found = inspect_file(video)
    assert (found.marked, found.manifest.state) == (False, "Invalid")
    assert found.manifest.problems == ("assertion.bmffHash.mismatch",)


def test_a_chain_of_files(video, signer, tmp_path):
    """source, with a manifest of its own → dub → enhanced."""
    sign_file(video, replace(CLAIM, title="source.mp4"), signer, clear=False)
    before = video
    for title in ("dub.mp4", "enhanced.mp4"):
        target = tmp_path / title
        shutil.copy(before, target)
        # What the product writes is joined anew, and has no manifest of its source's in it.
        mark_again(MarkOrder("a", str(target), 40, Fraction(25), CLAIM, Marking("none")))
        sign_file(target, replace(CLAIM, title=title, sources=(SourceFile("video", str(before)),)), signer, clear=False)
        before = target
    found = inspect_file(before).manifest
    assert (found.state, found.chain) == ("Valid", ("enhanced.mp4", "dub.mp4", "source.mp4"))


def test_a_source_in_a_bucket_is_kept_with_its_manifest(video, signer, s3_server, tmp_path):
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdirs("signed", exist_ok=True)
    target = tmp_path / "a.mp4"
    shutil.copy(video, target)
    sign_file(video, replace(CLAIM, title="source.mp4"), signer, clear=False)
    storage.commit_file(video, "s3://signed/source.mp4")
    source = SourceFile("video", "s3://signed/source.mp4", identity("s3://signed/source.mp4"))
    sign_file(target, replace(CLAIM, sources=(source,)), signer, clear=False)
    assert inspect_file(target).manifest.chain == ("a.mp4", "source.mp4")
    storage.commit_bytes("s3://signed/source.mp4", b"another")
    with pytest.raises(ChangedError):
        sign_file(target, replace(CLAIM, sources=(source,)), signer, clear=False)


def test_a_source_whose_manifest_does_not_hold_is_told_with_it(video, signer, tmp_path):
    target = tmp_path / "a.mp4"
    shutil.copy(video, target)
    sign_file(video, CLAIM, signer, clear=False)
    data = bytearray(video.read_bytes())
    data[data.index(b"mdat") + 900] ^= 1
    video.write_bytes(data)
    sign_file(target, replace(CLAIM, sources=(SourceFile("video", str(video)),)), signer, clear=False)
    manifest = read(target)[0]
    results = manifest["ingredients"][0]["validation_results"]["activeManifest"]["failure"]
    assert "assertion.bmffHash.mismatch" in [one["code"] for one in results]


def test_a_video_with_its_own_sound_is_told_as_both(video, signer, tmp_path):
    target = tmp_path / "a.mp4"
    shutil.copy(video, target)
    for source in ("plain", "signed"):
        if source == "signed":
            sign_file(video, CLAIM, signer, clear=False)
            shutil.copy(video, tmp_path / "b.mp4")
            target = tmp_path / "b.mp4"
            mark_again(MarkOrder("b", str(target), 40, Fraction(25), CLAIM, Marking("none")))
        both = SourceFile("video", str(video)), SourceFile("audio", str(video))
        sign_file(target, replace(CLAIM, sources=both), signer, clear=False)
        manifest, state, store = read(target)
        assert state == "Valid"
        assert [one["relationship"] for one in manifest["ingredients"]] == ["parentOf", "componentOf"]
        assert len(store["manifests"]) == (1 if source == "plain" else 2)


def test_a_source_that_was_replaced_is_not_vouched_for(video, signer, tmp_path):
    target = tmp_path / "a.mp4"
    shutil.copy(video, target)
    planned = identity(str(video))
    video.write_bytes(video.read_bytes() + b"\0\0\0\x08free")
    with pytest.raises(ChangedError):
        sign_file(target, replace(CLAIM, sources=(SourceFile("video", str(video), planned),)), signer, clear=False)


@pytest.mark.parametrize("kind", list(KEYS))
def test_keys_of_every_kind_sign_by_file_and_by_command(tmp_path, video, kind):
    chain, key, _ = write_signer(tmp_path, kind)
    sign_file(video, CLAIM, checked_signer(asked(chain, key)), clear=False)
    assert read(video)[1] == "Valid"
    command = f"{sys.executable} {write_command(tmp_path, kind)} {key}"
    mark_again(MarkOrder("a", str(video), 40, Fraction(25), CLAIM, marking_of(asked(chain, None, command=command))))
    assert read(video)[1] == "Valid"


def write_command(folder, kind):
    how = {
        "es256": "ec.ECDSA(hashes.SHA256())",
        "es384": "ec.ECDSA(hashes.SHA384())",
        "ps256": "padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()",
        "ed25519": "",
    }[kind]
    script = folder / "sign.py"
    script.write_text(
        "import sys\n"
        "from cryptography.hazmat.primitives import hashes, serialization\n"
        "from cryptography.hazmat.primitives.asymmetric import ec, padding\n"
        "key = serialization.load_pem_private_key(open(sys.argv[1], 'rb').read(), None)\n"
        f"sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read(), {how}))\n"
    )
    return script


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_a_key_may_be_in_either_form(tmp_path, form):
    chain, key, _ = write_signer(tmp_path)
    own = KEYS["es256"]()
    chain.write_bytes(pem_of(certificate("Own", own)))
    key.write_bytes(pem_of_key(own, form))
    assert checked_signer(asked(chain, key)).sha256


def test_environment_names_the_signer(signer_files, monkeypatch):
    monkeypatch.setenv("LIPSYNC_SIGN_CERT", str(signer_files[0]))
    monkeypatch.setenv("LIPSYNC_SIGN_KEY", str(signer_files[1]))
    assert checked_signer(ProvenanceSettings("c2pa")).files == tuple(map(str, signer_files[:2]))


def wrong_order(folder, chain, key):
    blocks = chain.read_bytes().split(b"-----BEGIN")
    chain.write_bytes(b"-----BEGIN" + blocks[2] + b"-----BEGIN" + blocks[1])


def other_key(folder, chain, key):
    key.write_bytes(pem_of_key(KEYS["es256"]()))


def locked_key(folder, chain, key):
    key.write_bytes(pem_of_key(KEYS["es256"](), lock=BestAvailableEncryption(b"word")))


def swapped(folder, chain, key):
    text = chain.read_bytes()
    chain.write_bytes(key.read_bytes())
    key.write_bytes(text)


def no_issuer(folder, chain, key):
    own = KEYS["es256"]()
    chain.write_bytes(
        chain.read_bytes().replace(
            chain.read_bytes(), pem_of(certificate("A", own), certificate("B", own, authority=True))
        )
    )
    key.write_bytes(pem_of_key(own))


def only_authority(folder, chain, key):
    own = KEYS["es256"]()
    chain.write_bytes(pem_of(certificate("Root", own, authority=True)))
    key.write_bytes(pem_of_key(own))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (wrong_order, "--sign-cert .*wrong order: it begins with 'CN=Root.*Signer.*, first"),
        (other_key, "--sign-key .*not the key of 'CN=Signer.*belongs to another certificate"),
        (locked_key, "--sign-key .*locked by a password.*openssl pkcs8"),
        (swapped, "--sign-cert .*a private key in it"),
        (no_issuer, "--sign-cert .*'CN=B.* did not issue 'CN=A"),
        (only_authority, "--sign-cert .*an authority's certificate"),
        (lambda folder, chain, key: chain.write_text("hello"), "--sign-cert .*no certificate in it"),
        (lambda folder, chain, key: chain.unlink(), "--sign-cert .*no such file"),
        (lambda folder, chain, key: key.unlink(), "--sign-key .*no such file"),
        (lambda folder, chain, key: key.write_text("hello"), "--sign-key .*no private key"),
        (lambda folder, chain, key: key.write_bytes(chain.read_bytes()), "--sign-key .*a certificate; expected"),
    ],
)
def test_what_cannot_sign_is_refused_naming_its_option(tmp_path, spoil, said):
    chain, key, _ = write_signer(tmp_path)
    spoil(tmp_path, chain, key)
    with pytest.raises(SettingsError, match=said):
        checked_signer(asked(chain, key))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"days": (-30, -1)}, f"expired on {(datetime.now(UTC) - timedelta(days=1)):%Y-%m-%d}"),
        ({"days": (2, 30)}, "not valid before"),
        ({"purpose": False}, "does not say what it may be used for"),
        ({"purpose": ExtendedKeyUsageOID.SERVER_AUTH}, "extendedKeyUsage emailProtection"),
        ({"signs": False}, "lacks digitalSignature"),
    ],
)
def test_certificates_that_c2pa_does_not_take_are_refused(tmp_path, how, said):
    with pytest.raises(SettingsError, match=said):
        checked_signer(asked(*write_signer(tmp_path, **how)))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("false", "ended with status 1"),
        ("echo no such slot >&2; exit 3", "status 3: no such slot"),
        ("head -c 64 /dev/zero", "not a valid es256 signature of its standard input"),
        ("cat", "not a valid es256 signature"),
        ("nosuchcommand", "status 127"),
    ],
)
def test_a_command_that_does_not_sign_is_refused(signer_files, command, said):
    with pytest.raises(SettingsError, match=f"--sign-command: .*{said}"):
        checked_signer(asked(signer_files[0], None, command=command))


def test_a_time_stamp_from_nowhere_is_refused(signer_files):
    with pytest.raises(SettingsError, match=r"--tsa http://127.0.0.1:9/: no time stamp"):
        checked_signer(asked(*signer_files[:2], tsa="http://127.0.0.1:9/"))


def test_another_certificate_in_the_middle_of_a_run_is_refused(tmp_path, video):
    chain, key, _ = write_signer(tmp_path)
    signer = checked_signer(asked(chain, key))
    write_signer(tmp_path)
    before = video.read_bytes()
    with pytest.raises(SigningError, match="another certificate than this run began with"):
        sign_file(video, CLAIM, signer, clear=False)
    assert video.read_bytes() == before


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"kind": "all"}, "--provenance all"),
        ({"cert": "c.pem"}, "--sign-cert is for --provenance c2pa"),
        ({"tsa": "http://t"}, "--tsa is for --provenance c2pa"),
        ({"kind": "c2pa", "key": "k", "command": "c"}, "expected one of them"),
        ({"kind": "c2pa", "tsa": "ftp://t"}, "http or https"),
        ({"kind": "c2pa", "consent": "loud"}, "--consent-in-manifest loud"),
    ],
)
def test_options_that_do_not_belong_together(how, said):
    with pytest.raises(SettingsError, match=said):
        ProvenanceSettings(**how)


@pytest.mark.parametrize("cert", [None, "c.pem"])
def test_a_signer_that_is_missing(cert, monkeypatch):
    for name in ("LIPSYNC_SIGN_CERT", "LIPSYNC_SIGN_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match="--sign-key"):
        marking_of(ProvenanceSettings("c2pa", cert))


def test_a_record_tells_nothing_of_keys(signer_files):
    record = asked(*signer_files[:2], tsa="https://user:word@tsa.example/?token=1").record()
    assert record == {"kind": "c2pa", "tsa": "https://tsa.example/", "consent": "hashed"}
