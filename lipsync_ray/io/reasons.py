"""Why a store refuses, in words: by the code of its answer, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})
_OUT_OF_DATE = ("expired", "invalidtoken", "tokenrefreshrequired")
_WRONG = ("invalidaccesskeyid", "signaturedoesnotmatch", "access key id you provided")
_CLOCK = (
    "this machine's clock and the store's differ by too much ({said}). Set it, by NTP: `timedatectl set-ntp true`, or "
    "`chronyc makestep`; on a cluster, on every node"
)
_REGION = (
    "the bucket is in another region, or behind another address ({said}). Set AWS_DEFAULT_REGION to the bucket's region{region}, "
    "and AWS_ENDPOINT_URL, where it is set, to its address; on a cluster, on every node"
)
_ARCHIVED = (
    "the object is archived ({said}). Restore it first (`aws s3api restore-object`, or copy it to another storage class), then run "
    "the same command again"
)
_ACCOUNT = (
    "the store has closed this account, or not opened it for this service ({said}). Its owner has to settle that with the "
    "store; credentials and permissions do not help"
)
_BY_CODE = {
    "RequestTimeTooSkewed": _CLOCK,
    "RequestInTheFuture": _CLOCK,
    "AuthorizationHeaderMalformed": _REGION,
    "AuthorizationQueryParametersError": _REGION,
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "Redirect": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "301": _REGION,
    "InvalidObjectState": _ARCHIVED,
    "RestoreAlreadyInProgress": _ARCHIVED,
    "AccountProblem": _ACCOUNT,
    "AllAccessDisabled": _ACCOUNT,
    "NotSignedUp": _ACCOUNT,
    "OptInRequired": _ACCOUNT,
    "InvalidPayer": _ACCOUNT,
}
_KEY = (
    "the key of AWS KMS that the object is encrypted with cannot be used ({said}). Enable it, or let the account use it "
    "(kms:Decrypt, and kms:GenerateDataKey to write)"
)
_WITHOUT_A_WORD = frozenset({"301", "400", "403"})  # what an answer to HEAD is: it has no body that would say why


def code_of(error: BaseException) -> str:
    """The code of a store's answer that made this error; empty where there is none."""
    answer = _answer(error).get("Error", {})
    return str(answer.get("Code") or "")


def is_certain(error: BaseException) -> bool:
    """Whether the answer's code names a cause that no second try mends."""
    code = code_of(error)
    return code in _BY_CODE or code.startswith("KMS.") or type(error).__name__ in _NO_CREDENTIALS


def advice(error: Exception) -> str:
    """Why a store does not let us, and what to do."""
    said = " ".join(str(error).split()).rstrip(".")
    code = code_of(error)
    known = f"{said} {code}".lower()
    if type(error).__name__ in _NO_CREDENTIALS:
        return (
            f"no credentials were found ({said}). Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run "
            "where the machine has a role; a public bucket is read with FSSPEC_S3='{\"anon\": true}'"
        )
    if code in _BY_CODE:
        region = _region(error)
        return _BY_CODE[code].format(said=said, region=f", {region}" if region else "")
    if code.startswith("KMS."):
        return _KEY.format(said=said)
    if any(word in known for word in _OUT_OF_DATE):
        return f"the credentials have expired ({said}). Renew them and run the same command again: what was finished is kept"
    if any(word in known for word in _WRONG):
        return (
            f"the credentials are not valid there ({said}). Look at AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL"
        )
    return (
        f"no permission ({said}). The account needs to list, read and, for OUT, write and delete there; where the requester "
        "pays, set FSSPEC_S3='{\"requester_pays\": true}'"
    )


def info(fs: Any, path: str) -> Mapping[str, Any]:
    """``fs.info(path)``. Where it is refused without a word, the first byte is asked for: that answer says why."""
    try:
        found: Mapping[str, Any] = fs.info(path)
    except OSError as error:
        if code_of(error) in _WITHOUT_A_WORD:
            fs.cat_file(path, 0, 1)
        raise
    return found


def _answer(error: BaseException) -> Mapping[str, Any]:
    """What the store's client keeps of the answer, with the error or with what it was made of."""
    for one in (error, error.__cause__):
        found = getattr(one, "response", None)
        if isinstance(found, Mapping):
            return found
    return {}


def _region(error: BaseException) -> str:
    """The bucket's region, where the answer tells it."""
    answer = _answer(error)
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(answer.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region") or "")
