"""CloudEvents 1.0, Kafka binding: the envelope around an event's data. Pure.

Writes binary mode (`ce_*` headers, the value is the data). Reads binary mode, structured mode (the value is
the envelope) and plain JSON without any CloudEvents attribute. Types:

    com.advet.submission.v1     data is an AdSubmission
    com.advet.verdict.v1        data is an AdVerdict

Dead letters have no type of their own: they keep the envelope of the record that failed. `read_event` does
not insist on a type: what the data must be follows from the topic.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas import strict_json
from schemas.tracing import valid_traceparent

SUBMISSION_TYPE = "com.advet.submission.v1"
VERDICT_TYPE = "com.advet.verdict.v1"
SOURCE = "urn:advet:consumer"
SPECVERSION = "1.0"
CONTENT_TYPE = "content-type"
JSON_TYPE = "application/json"
STRUCTURED_TYPE = "application/cloudevents+json"

_CLOUDEVENTS = "application/cloudevents"
_PREFIX = "ce_"
_REQUIRED = ("specversion", "id", "source", "type")

Headers = Sequence[tuple[str, bytes | None]]


class EventInvalid(ValueError):
    """The envelope contradicts itself or is not one that advet reads; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event's exact data bytes, and what its envelope says of them (None: not said)."""

    data: bytes
    id: str | None = None
    source: str | None = None
    type: str | None = None
    specversion: str | None = None
    subject: str | None = None
    time: str | None = None
    traceparent: str | None = None


def read_event(value: bytes, headers: Headers) -> Event:
    """Opens any of the three envelopes; raises EventInvalid. An invalid traceparent is dropped."""
    texts = _header_texts(headers)
    attributes = {name.removeprefix(_PREFIX): text for name, text in texts.items() if name.startswith(_PREFIX)}
    content_type = texts.get(CONTENT_TYPE)
    if content_type is not None and _media_type(content_type).startswith(_CLOUDEVENTS):
        data, attributes = _open_structured(value, content_type, attributes)
    else:
        data = value
        _check_binary(attributes, content_type)
    return Event(
        data=data,
        id=attributes.get("id"),
        source=attributes.get("source"),
        type=attributes.get("type"),
        specversion=attributes.get("specversion"),
        subject=attributes.get("subject"),
        time=attributes.get("time"),
        traceparent=_traceparent(headers, attributes),
    )


def event_headers(
    event_type: str,
    source: str,
    event_id: str,
    time: datetime,
    subject: str | None = None,
    traceparent: str | None = None,
) -> tuple[tuple[str, bytes], ...]:
    """Headers of a binary-mode event of JSON; `time` must be aware. An invalid traceparent is left out."""
    attributes = {
        "ce_specversion": SPECVERSION,
        "ce_id": event_id,
        "ce_source": source,
        "ce_type": event_type,
        "ce_time": rfc3339(time),
        "ce_subject": subject,
        CONTENT_TYPE: JSON_TYPE,
        "traceparent": valid_traceparent(traceparent) if traceparent else None,
    }
    return tuple((name, text.encode()) for name, text in attributes.items() if text is not None)


def rfc3339(time: datetime) -> str:
    """An aware time as text, in UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _header_texts(headers: Headers) -> dict[str, str]:
    """The headers that belong to the envelope, as text; a null header counts as absent."""
    texts: dict[str, str] = {}
    for raw_name, raw in headers:
        name = raw_name.lower()
        if raw is None or not (name == CONTENT_TYPE or name.startswith(_PREFIX)):
            continue
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise EventInvalid(f"header {name[:64]} is not UTF-8") from error
        if texts.setdefault(name, text) != text:
            raise EventInvalid(f"header {name[:64]} is there twice with different values; send it once")
    return texts


def _check_binary(attributes: Mapping[str, str], content_type: str | None) -> None:
    if any(name in attributes for name in _REQUIRED):
        _check_attributes(attributes)
    declared = attributes.get("datacontenttype")
    if declared is not None and content_type is not None and _media_type(declared) != _media_type(content_type):
        raise EventInvalid("ce_datacontenttype contradicts content-type; send content-type alone")
    for kind in (content_type, declared):
        _check_json_type(kind, "content-type")


def _open_structured(value: bytes, content_type: str, outside: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    if _media_type(content_type) != STRUCTURED_TYPE:
        raise EventInvalid(f"content-type names a CloudEvents format other than {STRUCTURED_TYPE}")
    _check_charset(content_type)
    try:
        envelope = strict_json.loads(value)
    except strict_json.NotStrictJson as error:
        raise EventInvalid(f"the structured envelope cannot be read: {error}") from error
    if not isinstance(envelope, dict):
        raise EventInvalid("the structured envelope is not a JSON object")
    attributes = {
        name: attribute
        for name, attribute in envelope.items()
        if isinstance(attribute, str) and name not in ("data", "data_base64")
    }
    _check_attributes(attributes)
    for name, text in outside.items():
        if name in envelope and envelope[name] != text:
            raise EventInvalid(f"header ce_{name[:64]} contradicts the structured envelope; send one of them")
    _check_json_type(attributes.get("datacontenttype"), "datacontenttype")
    return _structured_data(value, envelope), attributes


def _structured_data(value: bytes, envelope: Mapping[str, object]) -> bytes:
    if ("data" in envelope) == ("data_base64" in envelope):
        raise EventInvalid("a structured event carries either data or data_base64")
    if "data" in envelope:
        return strict_json.raw_member(value, "data")
    encoded = envelope["data_base64"]
    if not isinstance(encoded, str):
        raise EventInvalid("data_base64 is not a string")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EventInvalid("data_base64 is not base64") from error


def _check_attributes(attributes: Mapping[str, str]) -> None:
    for name in _REQUIRED:
        if not attributes.get(name):
            raise EventInvalid(f"the CloudEvents attribute {name} is missing, empty or not a string")
    if attributes["specversion"] != SPECVERSION:
        raise EventInvalid(f"CloudEvents specversion must be {SPECVERSION}, not {attributes['specversion'][:16]}")


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _check_json_type(content_type: str | None, where: str) -> None:
    if content_type is None:
        return
    media = _media_type(content_type)
    if media not in (JSON_TYPE, "text/json") and not (media.startswith("application/") and media.endswith("+json")):
        raise EventInvalid(f"{where} must be {JSON_TYPE}, not {media[:64]}")
    _check_charset(content_type)


def _check_charset(content_type: str) -> None:
    for parameter in content_type.split(";")[1:]:
        name, _, setting = parameter.strip().lower().partition("=")
        if name == "charset" and setting.strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise EventInvalid(f"charset must be utf-8, not {setting[:32]}")


def _traceparent(headers: Headers, attributes: Mapping[str, str]) -> str | None:
    sent = {value for name, value in headers if name.lower() == "traceparent" and value is not None}
    if not sent:
        extension = attributes.get("traceparent")
        return valid_traceparent(extension) if extension else None
    # More than one is as good as none: the standard forbids guessing which.
    return valid_traceparent(sent.pop().decode("utf-8", "replace")) if len(sent) == 1 else None
