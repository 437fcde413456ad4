"""Between bytes and models: strict reading of events, compact writing. Pure.

Readers ignore unknown fields; everything else that is odd is refused with a message fit for a dead letter.
"""

from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas import strict_json
from schemas.consumer_report import ConsumerReport
from schemas.replay import LetterReplay, ReplayRun
from schemas.submission import AdSubmission, WireModel
from schemas.verdict import AdVerdict

MESSAGE_CHARS_MAX = 500
ERRORS_SHOWN = 5

Model = TypeVar("Model", bound=WireModel)


class EventMalformed(ValueError):
    """The data of an event is not what its type demands. The message is short and quotes no value."""


class SubmissionMalformed(EventMalformed):
    """Not an AdSubmission."""


class VerdictMalformed(EventMalformed):
    """Not an AdVerdict."""


class OperationsMalformed(EventMalformed):
    """Not a record of `ad-replays` or `ad-consumers`."""


def parse_submission(data: bytes) -> AdSubmission:
    """Reads a submission; raises SubmissionMalformed naming each wrong field, in at most 500 characters."""
    return _parse(AdSubmission, data, SubmissionMalformed)


def parse_verdict(data: bytes) -> AdVerdict:
    """Reads a verdict; enum values of newer writers become `unknown`. Raises VerdictMalformed."""
    return _parse(AdVerdict, data, VerdictMalformed)


def parse_replay_run(data: bytes) -> ReplayRun:
    """Reads a run's own record; raises OperationsMalformed."""
    return _parse(ReplayRun, data, OperationsMalformed)


def parse_letter_replay(data: bytes) -> LetterReplay:
    """Reads what became of a letter; raises OperationsMalformed."""
    return _parse(LetterReplay, data, OperationsMalformed)


def parse_consumer_report(data: bytes) -> ConsumerReport:
    """Reads what a consumer can take; raises OperationsMalformed."""
    return _parse(ConsumerReport, data, OperationsMalformed)


def encode(model: WireModel) -> bytes:
    """Compact UTF-8 JSON; fields without a value are left out."""
    return model.model_dump_json(exclude_none=True).encode()


def _parse(model: type[Model], data: bytes, malformed: type[EventMalformed]) -> Model:
    try:
        strict_json.loads(data)
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        # No cause: pydantic's own text quotes the input, and a log of the chain would carry it.
        raise malformed(explain(error)) from None
    except strict_json.NotStrictJson as error:
        raise malformed(_cut(str(error))) from error


def explain(error: ValidationError) -> str:
    """Field and fault, in words that quote nothing of the input."""
    errors = error.errors(include_url=False, include_input=False)
    parts = [_describe_one(error) for error in errors[:ERRORS_SHOWN]]
    if len(errors) > ERRORS_SHOWN:
        parts.append(f"and {len(errors) - ERRORS_SHOWN} more")
    return _cut("; ".join(parts))


def _describe_one(error: ErrorDetails) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"]).lstrip(".")
    # Input that is not UTF-8 or JSON cannot come here; these are our models' own words about a field.
    message = error["msg"].removeprefix("Value error, ")
    return f"{path}: {message}" if path else message


def _cut(message: str) -> str:
    return message if len(message) <= MESSAGE_CHARS_MAX else message[: MESSAGE_CHARS_MAX - 1] + "…"
