"""Reads certificates and keys from PEM files and checks C2PA's requirements; every error says how to correct it."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lipsync_ray.errors import LipsyncError, SettingsError
from lipsync_ray.io import storage

if TYPE_CHECKING:
    from cryptography import x509

_CERT, _KEY = "--sign-cert", "--sign-key"
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\s*", re.DOTALL)
# Accepted purposes of the signer's certificate: e-mail protection, document signing, Microsoft's and C2PA's own
PURPOSES = ("1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.311.76.59.1.9", "1.3.6.1.4.1.62558.2.1")
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_LEAST_RSA = 2048  # bits
_RECIPE = "how to make one is in docs/provenance.md"


@dataclass(frozen=True)
class Chain:
    """A certificate chain.

    Attributes
    ----------
    url : of the file
    certificates : the signer's first, then each issuer
    pem : all of them as PEM
    algorithm : C2PA's name of the signature algorithm: "es256", "es384", "es512", "ps256", "ed25519"
    """

    url: str
    certificates: tuple[x509.Certificate, ...]
    pem: bytes
    algorithm: str

    @property
    def sha256(self) -> str:
        """Sha256 fingerprint of the signer's certificate, as of `openssl x509 -fingerprint -sha256`, in lower case
        without colons.
        """
        from cryptography.hazmat.primitives.serialization import Encoding

        return hashlib.sha256(self.certificates[0].public_bytes(Encoding.DER)).hexdigest()

    def check(self, now: datetime.datetime | None = None) -> None:
        """Check order, validity dates and purpose.

        Raises
        ------
        SettingsError : names the certificate and its fault
        """
        now = now or datetime.datetime.now(datetime.UTC)
        _check_order(self.url, self.certificates)
        for one in self.certificates:
            name = _name(one)
            if now > one.not_valid_after_utc:
                raise SettingsError(
                    f"{_CERT} {self.url}: {name} expired on {one.not_valid_after_utc:%Y-%m-%d}; renew it"
                )
            if now < one.not_valid_before_utc:
                raise SettingsError(
                    f"{_CERT} {self.url}: {name} is not valid before {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; is this "
                    "machine's clock right?"
                )
        _check_purpose(self.url, self.certificates[0])


def read_chain(url: str) -> Chain:
    """Read the certificates of a PEM file, in its order.

    Raises
    ------
    SettingsError : it is unreadable, or has no certificate that can sign
    """
    from cryptography import x509

    data = _read(_CERT, url)
    blocks = _BLOCK.findall(data)
    if not blocks:
        what = "a private key" if b"PRIVATE KEY" in data else "no certificate"
        raise SettingsError(f"{_CERT} {url}: {what} in it; expected a PEM file of the signer's certificate; {_RECIPE}")
    try:
        found = tuple(x509.load_pem_x509_certificate(block) for block in blocks)
        algorithm = _algorithm(url, found[0].public_key())
    except ValueError as error:
        raise SettingsError(f"{_CERT} {url}: a certificate in it is damaged ({error})") from None
    return Chain(url, found, b"".join(block.strip() + b"\n" for block in blocks), algorithm)


def read_key(url: str, chain: Chain) -> bytes:
    """Read the private key of a chain's first certificate; return it as PKCS#8 PEM.

    Raises
    ------
    SettingsError : it is unreadable, encrypted, or belongs to another certificate
    """
    from cryptography.hazmat.primitives import serialization as forms

    data = _read(_KEY, url)
    try:
        key = forms.load_pem_private_key(data, password=None)
    except TypeError:
        raise SettingsError(
            f"{_KEY} {url}: locked by a password; unlock it (openssl pkcs8 -topk8 -nocrypt), or sign by --sign-command"
        ) from None
    except Exception:  # any type: the error's text may quote the file
        what = "a certificate" if b"BEGIN CERTIFICATE" in data else "no private key that can be read"
        raise SettingsError(f"{_KEY} {url}: {what}; expected a PEM file of the certificate's private key") from None
    if _public(key.public_key()) != _public(chain.certificates[0].public_key()):
        others = [
            _name(one) for one in chain.certificates[1:] if _public(one.public_key()) == _public(key.public_key())
        ]
        of = f"it is that of {others[0]}" if others else "it belongs to another certificate"
        raise SettingsError(f"{_KEY} {url}: not the key of {_name(chain.certificates[0])} in {chain.url}; {of}")
    return key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())


def check_signature(option: str, chain: Chain, data: bytes, signature: bytes) -> bytes:
    """Verify a signature by the certificate and return it in C2PA's form. Elliptic-curve signatures may be DER or r and
    s.

    Raises
    ------
    SettingsError : it is not a signature of `data` by this certificate's key
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    key: Any = chain.certificates[0].public_key()
    hashed = {"es384": hashes.SHA384, "es512": hashes.SHA512}.get(chain.algorithm, hashes.SHA256)()
    try:
        if chain.algorithm.startswith("es"):
            half = (key.curve.key_size + 7) // 8
            if len(signature) == 2 * half:
                r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            else:
                r, s = decode_dss_signature(signature)
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashed))
            return r.to_bytes(half, "big") + s.to_bytes(half, "big")
        if chain.algorithm == "ed25519":
            key.verify(signature, data)
        else:
            key.verify(signature, data, padding.PSS(padding.MGF1(hashed), hashed.digest_size), hashed)
    except (InvalidSignature, ValueError, OverflowError):
        raise SettingsError(
            f"{option}: its output ({len(signature)} bytes) is not a valid {chain.algorithm} signature of its standard input by the key "
            f"of {_name(chain.certificates[0])} in {chain.url}"
        ) from None
    return signature


def _check_order(url: str, chain: tuple[x509.Certificate, ...]) -> None:
    from cryptography.exceptions import InvalidSignature

    first = chain[0]
    if len(chain) > 1 and _is_authority(first) and not _is_authority(chain[-1]):
        raise SettingsError(
            f"{_CERT} {url}: the chain is in the wrong order: it begins with {_name(first)}, an authority. Put the signer's "
            f"own certificate, {_name(chain[-1])}, first, and each one's issuer behind it"
        )
    if _is_authority(first):
        raise SettingsError(
            f"{_CERT} {url}: {_name(first)} is an authority's certificate, which signs other certificates; expected the signer's "
            f"own first; {_RECIPE}"
        )
    for lower, upper in itertools.pairwise(chain):
        try:
            lower.verify_directly_issued_by(upper)
        except (ValueError, TypeError, InvalidSignature):
            raise SettingsError(
                f"{_CERT} {url}: {_name(upper)} did not issue {_name(lower)}, which stands before it; put each certificate's issuer "
                "behind it"
            ) from None


def _check_purpose(url: str, one: x509.Certificate) -> None:
    from cryptography import x509

    name = _name(one)
    try:
        usage = one.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = [each.dotted_string for each in one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value]
    except x509.ExtensionNotFound:
        raise SettingsError(
            f"{_CERT} {url}: {name} does not say what it may be used for; C2PA needs keyUsage digitalSignature and extendedKeyUsage "
            f"emailProtection; {_RECIPE}"
        ) from None
    if not usage.digital_signature:
        raise SettingsError(f"{_CERT} {url}: {name} may not sign: its keyUsage lacks digitalSignature; {_RECIPE}")
    if not set(PURPOSES) & set(purposes):
        raise SettingsError(
            f"{_CERT} {url}: {name} is for {', '.join(purposes) or 'nothing'}; C2PA needs extendedKeyUsage emailProtection or "
            f"documentSigning; {_RECIPE}"
        )


def _algorithm(url: str, key: Any) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA:
        return "ps256"
    raise SettingsError(
        f"{_CERT} {url}: a key of a kind that C2PA does not take; expected one of the curves P-256, P-384 or P-521, Ed25519, or "
        f"RSA of {_LEAST_RSA} bits or more"
    )


def _is_authority(one: x509.Certificate) -> bool:
    from cryptography import x509

    try:
        return bool(one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _name(one: x509.Certificate) -> str:
    return f"{one.subject.rfc4514_string()!r}"


def _public(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _read(option: str, url: str) -> bytes:
    try:
        return storage.read_bytes(url)
    except FileNotFoundError:
        raise SettingsError(f"{option} {url}: no such file") from None
    except (OSError, LipsyncError, ValueError, ImportError) as error:
        raise SettingsError(f"{option} {url}: cannot be read ({error})") from None
