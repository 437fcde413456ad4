"""Dead letters that other systems wrote: which of their headers mean what. Pure.

Spring (`kafka_dlt-*`, big-endian integers), Connect (`__connect.errors.*`), Streams (`__streams.errors.*`)
and share groups (`__dlq.errors.*`, KIP-1191); the last three write integers as decimal text. None says why in
advet's terms, so the reason is `unknown`, and none but KIP-1191 counts attempts, so there is at least one.
"""

from collections.abc import Mapping
from typing import Any

from schemas.dead_letter import Reason, Stage

LetterFields = dict[str, Any]
Latest = Mapping[str, bytes]

UNKNOWN_GROUP = "unknown"

_SPRING = "kafka_dlt-"
_CONNECT = "__connect.errors."
_STREAMS = "__streams.errors."
_SHARE = "__dlq.errors."


class LetterUnreadable(ValueError):
    """The headers are not those of a dead letter; the message names what is missing or wrong."""


def foreign_fields(latest: Latest) -> LetterFields:
    """Fields of a DeadLetter, unvalidated. `latest` has the last value of each header name."""
    if f"{_SHARE}topic" in latest:
        return _share(latest)
    if f"{_SPRING}original-topic" in latest:
        return _spring(latest)
    if f"{_CONNECT}topic" in latest:
        return _connect(latest)
    if f"{_STREAMS}topic" in latest:
        return _streams(latest)
    raise LetterUnreadable(
        "no dead-letter headers: expected advet-reason, __dlq.errors.topic, kafka_dlt-original-topic, "
        "__connect.errors.topic or __streams.errors.topic"
    )


def text(latest: Latest, name: str, default: str = "") -> str:
    """A header's text; bytes that are not UTF-8 are replaced, for it is shown to people."""
    return latest[name].decode("utf-8", "replace") if name in latest else default


def decimal(latest: Latest, name: str) -> int:
    """A header's non-negative integer in ASCII digits; raises LetterUnreadable."""
    digits = latest.get(name, b"")
    if not digits.isdigit() or len(digits) > len(str(2**63)):
        raise LetterUnreadable(f"header {name} is not an integer in decimal digits")
    return int(digits)


def _share(latest: Latest) -> LetterFields:
    counted = f"{_SHARE}delivery.count"
    return _fields(
        origin=_decimal_origin(latest, _SHARE),
        group=text(latest, f"{_SHARE}group", UNKNOWN_GROUP),
        message=text(latest, f"{_SHARE}message"),
        error_class="",
        attempts=decimal(latest, counted) if counted in latest else 1,
    )


def _spring(latest: Latest) -> LetterFields:
    # The cause names what went wrong; the outer class is nearly always the listener's wrapper.
    outer = text(latest, f"{_SPRING}exception-fqcn")
    return _fields(
        origin={
            "topic": text(latest, f"{_SPRING}original-topic"),
            "partition": _big_endian(latest, f"{_SPRING}original-partition", width_bytes=4),
            "offset": _big_endian(latest, f"{_SPRING}original-offset", width_bytes=8),
        },
        group=text(latest, f"{_SPRING}original-consumer-group", UNKNOWN_GROUP),
        message=text(latest, f"{_SPRING}exception-message"),
        error_class=text(latest, f"{_SPRING}exception-cause-fqcn", outer),
    )


def _connect(latest: Latest) -> LetterFields:
    connector = text(latest, f"{_CONNECT}connector.name")
    return _fields(
        origin=_decimal_origin(latest, _CONNECT),
        group=f"connect-{connector}" if connector else UNKNOWN_GROUP,
        message=text(latest, f"{_CONNECT}exception.message"),
        error_class=text(latest, f"{_CONNECT}exception.class.name"),
    )


def _streams(latest: Latest) -> LetterFields:
    return _fields(
        origin=_decimal_origin(latest, _STREAMS),
        group=UNKNOWN_GROUP,
        message=text(latest, f"{_STREAMS}message"),
        error_class=text(latest, f"{_STREAMS}exception"),
    )


def _fields(
    *, origin: dict[str, object], group: str, message: str, error_class: str, attempts: int = 1
) -> LetterFields:
    return {
        "reason": Reason.UNKNOWN,
        "stage": Stage.UNKNOWN,
        "message": message,
        "error_class": error_class,
        "origin": origin,
        "group": group,
        "attempts": attempts,
    }


def _decimal_origin(latest: Latest, prefix: str) -> dict[str, object]:
    return {
        "topic": text(latest, f"{prefix}topic"),
        "partition": decimal(latest, f"{prefix}partition"),
        "offset": decimal(latest, f"{prefix}offset"),
    }


def _big_endian(latest: Latest, name: str, width_bytes: int) -> int:
    raw = latest.get(name, b"")
    if len(raw) != width_bytes:
        raise LetterUnreadable(f"header {name} is not a big-endian integer of {width_bytes} bytes")
    return int.from_bytes(raw, "big", signed=True)
