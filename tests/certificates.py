"""Certificates and keys that C2PA takes, and others that it does not."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEYS = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ps256": lambda: rsa.generate_private_key(65537, 2048),
}


def named(name):
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Studio"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def certificate(
    name, key, issuer=None, issuer_key=None, authority=False, days=(-1, 365), purpose=True, signs=True
) -> x509.Certificate:
    """Of `key`, signed by `issuer_key`, or by itself."""
    issuer_key, now = issuer_key or key, datetime.datetime.now(datetime.UTC)
    found = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer or name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(
            x509.KeyUsage(signs and not authority, False, not signs, False, False, authority, authority, False, False),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if purpose and not authority:
        purposes = [ExtendedKeyUsageOID.EMAIL_PROTECTION if purpose is True else purpose]
        found = found.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    return found.sign(issuer_key, None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def pem_of(*certificates) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def pem_of_key(key, form=PrivateFormat.PKCS8, lock=None) -> bytes:
    return key.private_bytes(Encoding.PEM, form, lock or NoEncryption())


def write_signer(folder: Path, kind="es256", **how) -> tuple[Path, Path, Path]:
    """Chain, key and anchor of a signer, as PEM files."""
    root_key, key = KEYS["es256"](), KEYS[kind]()
    root = certificate("Root", root_key, authority=True)
    own = certificate("Signer", key, "Root", root_key, **how)
    paths = folder / "chain.pem", folder / "key.pem", folder / "root.pem"
    for path, data in zip(paths, (pem_of(own, root), pem_of_key(key), pem_of(root)), strict=True):
        path.write_bytes(data)
    return paths
