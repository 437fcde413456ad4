"""Every error botocore can raise has a meaning, and none of them is "blame the ad" by accident."""

import inspect

import botocore.exceptions
import pytest
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from consumer.creatives.store import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, pause_seconds
from consumer.creatives.store_errors import Refusal, translate
from consumer.errors import StorageUnavailable
from schemas import Reason

CLASSES = [
    found
    for _name, found in inspect.getmembers(botocore.exceptions, inspect.isclass)
    if issubclass(found, Exception) and not issubclass(found, Warning)
    and found.__module__ == "botocore.exceptions"
]  # fmt: skip
BUGS = {"UndefinedModelAttributeError", "MissingServiceIdError"}
"""Raised only for a broken service model inside botocore."""


@pytest.mark.parametrize("found", CLASSES, ids=lambda found: found.__name__)
def test_every_class_is_translated(found: type[Exception]) -> None:
    if found.__name__ in BUGS:
        assert not issubclass(found, (BotoCoreError, ClientError))
        return
    assert issubclass(found, (BotoCoreError, ClientError)), "a new root: store.py must catch it"
    error = found.__new__(found)
    if isinstance(error, ClientError):
        error.response = {}
    outcome = translate(error)
    assert isinstance(outcome, Refusal if issubclass(found, ParamValidationError) else StorageUnavailable)


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (404, "NoSuchKey", Reason.CREATIVE_MISSING),
        (404, "", Reason.CREATIVE_MISSING),
        (404, "NoSuchBucket", Reason.CREATIVE_MISSING),
        (404, "NoSuchVersion", Reason.CREATIVE_MISSING),
        (405, "MethodNotAllowed", Reason.CREATIVE_MISSING),
        (412, "PreconditionFailed", Reason.CREATIVE_CHANGED),
        (403, "AccessDenied", Reason.CREATIVE_FORBIDDEN),
        (403, "", Reason.CREATIVE_FORBIDDEN),
        (418, "Teapot", Reason.CREATIVE_FORBIDDEN),
        (403, "ExpiredToken", None),
        (403, "SignatureDoesNotMatch", None),
        (503, "SlowDown", None),
        (500, "NoSuchKey", None),
        (301, "PermanentRedirect", None),
        (0, "", None),
    ],
)
def test_answers(status: int, code: str, reason: Reason | None) -> None:
    error = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")  # type: ignore[typeddict-item]
    outcome = translate(error)
    assert (outcome.reason if isinstance(outcome, Refusal) else None) is reason


def test_pauses_grow_to_a_ceiling_with_full_jitter() -> None:
    for attempt in range(1, 20):
        pauses = [pause_seconds(attempt) for _ in range(200)]
        ceiling = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)
        assert 0 <= min(pauses) < ceiling / 4
        assert ceiling * 3 / 4 < max(pauses) <= ceiling
