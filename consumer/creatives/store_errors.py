"""What botocore's errors mean: the object's fault (a refusal, for a dead letter) or the store's (try again).

Whatever says nothing about the object, wrong or expired credentials included, is the store's: blaming the ads
for it would dead-letter all of them.
"""

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from consumer.errors import StorageUnavailable
from schemas import Reason


@dataclass(frozen=True, slots=True)
class Refusal:
    """The store's final word on one object. `what` completes "creative X …"."""

    reason: Reason
    what: str


_CODES: dict[str, Refusal] = {
    "NoSuchKey": Refusal(Reason.CREATIVE_MISSING, "is not in the store"),
    "NoSuchBucket": Refusal(Reason.CREATIVE_MISSING, "names a bucket that the store does not have"),
    "NoSuchVersion": Refusal(Reason.CREATIVE_MISSING, "has no such version in the store"),
    "MethodNotAllowed": Refusal(Reason.CREATIVE_MISSING, "is deleted: that version is a delete marker"),
    "KeyTooLongError": Refusal(Reason.CREATIVE_MISSING, "has a key longer than the store keeps"),
    "InvalidArgument": Refusal(Reason.CREATIVE_MISSING, "has a version_id or key that the store cannot read"),
    "PreconditionFailed": Refusal(Reason.CREATIVE_CHANGED, "is not the object that was submitted: it has another ETag"),
    "AccessDenied": Refusal(Reason.CREATIVE_FORBIDDEN, "may not be read with these credentials"),
    "InvalidObjectState": Refusal(Reason.CREATIVE_FORBIDDEN, "is archived and must be restored first"),
}
_STATUSES: dict[int, Refusal] = {
    403: _CODES["AccessDenied"],
    404: _CODES["NoSuchKey"],
    405: _CODES["MethodNotAllowed"],
    410: _CODES["NoSuchKey"],
    412: _CODES["PreconditionFailed"],
}
_STORE_CODES = frozenset({
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "PermanentRedirect",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "SignatureDoesNotMatch",
    "SlowDown",
    "TemporaryRedirect",
    "Throttling",
    "ThrottlingException",
    "TokenRefreshRequired",
    "TooManyRequests",
})  # fmt: skip
_STORE_STATUSES = frozenset({408, 425, 429})


def translate(error: ClientError | BotoCoreError) -> Refusal | StorageUnavailable:
    """A refusal of this object, or an error that says nothing about it: every botocore error is one of them."""
    if isinstance(error, ParamValidationError):
        return Refusal(Reason.CREATIVE_MISSING, "has a key, version_id or etag that no store accepts")
    if isinstance(error, ClientError):
        return _answered(error)
    return StorageUnavailable(f"the store did not answer: {type(error).__name__}")


def _answered(error: ClientError) -> Refusal | StorageUnavailable:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _STORE_CODES or status in _STORE_STATUSES or not 400 <= status < 500:
        return StorageUnavailable(f"the store answered {status} {code}")
    known = _CODES.get(code) or _STATUSES.get(status)
    return known or Refusal(Reason.CREATIVE_FORBIDDEN, f"was refused by the store: {status} {code}")
