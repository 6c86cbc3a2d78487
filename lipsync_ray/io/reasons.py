"""Explains why a store refuses a request, by the error code of its answer, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})
_OUT_OF_DATE = ("expired", "invalidtoken", "tokenrefreshrequired")
_WRONG = ("invalidaccesskeyid", "signaturedoesnotmatch", "access key id you provided")
_CLOCK = (
    "this machine's clock and the store's differ by too much ({text}). Set it, by NTP: `timedatectl set-ntp true`, or "
    "`chronyc makestep`; on a cluster, on every node"
)
_REGION = (
    "the bucket is in another region, or behind another address ({text}). Set AWS_DEFAULT_REGION to the bucket's "
    "region{region}, "
    "and AWS_ENDPOINT_URL, if it is set, to its address; on a cluster, on every node"
)
_ARCHIVED = (
    "the object is archived ({text}). Restore it first (`aws s3api restore-object`, or copy it to another storage "
    "class), then run "
    "the same command again"
)
_ACCOUNT = (
    "the store has closed this account, or not enabled it for this service ({text}). Its owner has to resolve this "
    "with the store; other credentials or permissions do not help"
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
    "the AWS KMS key of the object cannot be used ({text}). Enable it, or allow the account to use it (kms:Decrypt, "
    "and kms:GenerateDataKey to write)"
)
_HEAD_CODES = frozenset({"301", "400", "403"})  # answers to HEAD have no body with a reason


def code_of(error: BaseException) -> str:
    """The error code in the store's answer; empty if there is none."""
    answer = _answer(error).get("Error", {})
    return str(answer.get("Code") or "")


def is_certain(error: BaseException) -> bool:
    """Whether the error code names a permanent cause: a retry does not help."""
    code = code_of(error)
    return code in _BY_CODE or code.startswith("KMS.") or type(error).__name__ in _NO_CREDENTIALS


def advice(error: Exception) -> str:
    """Explain why a store denies access, and what to do."""
    text = " ".join(str(error).split()).rstrip(".")
    code = code_of(error)
    known = f"{text} {code}".lower()
    if type(error).__name__ in _NO_CREDENTIALS:
        return (
            f"no credentials were found ({text}). Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            f"or use a machine with a role; for a public bucket set FSSPEC_S3='{{\"anon\": true}}'"
        )
    if code in _BY_CODE:
        region = _region(error)
        return _BY_CODE[code].format(text=text, region=f", {region}" if region else "")
    if code.startswith("KMS."):
        return _KEY.format(text=text)
    if any(word in known for word in _OUT_OF_DATE):
        return (
            f"the credentials have expired ({text}). Renew them and run the same command again: finished work is kept"
        )
    if any(word in known for word in _WRONG):
        return (
            f"the credentials are not valid there ({text}). Check AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL"
        )
    return (
        f"no permission ({text}). The account needs to list and read, and for OUT to write and delete; if the "
        f"requester pays, set FSSPEC_S3='{{\"requester_pays\": true}}'"
    )


def info(fs: Any, path: str) -> Mapping[str, Any]:
    """``fs.info(path)``. If it is refused without a reason, request the first byte: that answer has one."""
    try:
        found: Mapping[str, Any] = fs.info(path)
    except OSError as error:
        if code_of(error) in _HEAD_CODES:
            fs.cat_file(path, 0, 1)
        raise
    return found


def _answer(error: BaseException) -> Mapping[str, Any]:
    """The store's answer, as its client attached it to the error or to its cause."""
    for one in (error, error.__cause__):
        found = getattr(one, "response", None)
        if isinstance(found, Mapping):
            return found
    return {}


def _region(error: BaseException) -> str:
    """The bucket's region from the answer; empty if unknown."""
    answer = _answer(error)
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(answer.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region") or "")
