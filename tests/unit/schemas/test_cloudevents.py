"""The envelope: three ways in, one way out, and no guess where it contradicts itself."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import SUBMISSION_TYPE, Event, EventInvalid, event_headers, read_event

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER_TRACEPARENT = "00-11111111111111111111111111111111-2222222222222222-00"
DATA = b'{ "submission_id":\t"s\xe5\xa5\xbd" }'
BINARY = (("ce_specversion", b"1.0"), ("ce_id", b"e1"), ("ce_source", b"urn:s"), ("ce_type", b"t"))
STRUCTURED = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)


def envelope(**changes: Any) -> bytes:
    attributes = {"specversion": "1.0", "id": "e1", "source": "urn:s", "type": "t", **changes}
    kept = {name: value for name, value in attributes.items() if value is not ...}
    text = json.dumps(kept, ensure_ascii=False, indent=1)
    return text.replace('"DATA"', DATA.decode()).encode()


def test_plain_json_has_no_envelope() -> None:
    assert read_event(DATA, ()) == Event(data=DATA)
    assert read_event(DATA, [("Content-Type", b"text/json"), ("x", None), ("y", b"\xff")]) == Event(data=DATA)


def test_binary_mode() -> None:
    headers = [
        *BINARY,
        ("ce_subject", "题".encode()),
        ("ce_time", b"2026-03-02T08:15:00Z"),
        ("ce_custom", b"1"),
    ]
    headers += [("content-type", b"application/json; charset=utf-8"), ("traceparent", TRACEPARENT.encode())]
    assert read_event(DATA, headers) == Event(
        data=DATA,
        id="e1",
        source="urn:s",
        type="t",
        specversion="1.0",
        subject="题",
        time="2026-03-02T08:15:00Z",
        traceparent=TRACEPARENT,
    )


def test_structured_mode_keeps_the_datas_exact_bytes() -> None:
    event = read_event(envelope(subject="x", data="DATA", traceparent=TRACEPARENT), STRUCTURED)
    assert event == Event(DATA, "e1", "urn:s", "t", "1.0", subject="x", traceparent=TRACEPARENT)


def test_structured_mode_with_base64() -> None:
    event = read_event(envelope(data_base64=base64.b64encode(DATA).decode()), STRUCTURED)
    assert event.data == DATA


def test_headers_that_agree_with_the_structured_envelope_are_fine() -> None:
    assert read_event(envelope(data="DATA"), [*STRUCTURED, *BINARY]).id == "e1"


@pytest.mark.parametrize(
    ("value", "headers", "says"),
    [
        (DATA, BINARY[1:], "specversion is missing"),
        (DATA, BINARY[:3], "type is missing"),
        (DATA, (*BINARY[:3], ("ce_type", b"")), "type is missing, empty"),
        (DATA, (("ce_specversion", b"0.3"), *BINARY[1:]), "specversion must be 1.0, not 0.3"),
        (DATA, (*BINARY, ("ce_id", b"e2")), "ce_id is there twice"),
        (DATA, (*BINARY, ("ce_subject", b"\xff")), "ce_subject is not UTF-8"),
        (
            DATA,
            (*BINARY, ("content-type", b"application/avro")),
            "must be application/json, not application/avro",
        ),
        (DATA, (("content-type", b"text/plain"),), "must be application/json, not text/plain"),
        (DATA, (("content-type", b"application/json; charset=gbk"),), "charset must be utf-8, not gbk"),
        (DATA, (*BINARY, ("ce_datacontenttype", b"text/xml")), "must be application/json, not text/xml"),
        (
            DATA,
            (*BINARY, ("ce_datacontenttype", b"text/xml"), ("content-type", b"application/json")),
            "contradicts content-type",
        ),
        (envelope(data="DATA"), (*STRUCTURED, ("ce_id", b"e2")), "ce_id contradicts the structured envelope"),
        (envelope(data="DATA", specversion="2.0"), STRUCTURED, "specversion must be 1.0, not 2.0"),
        (envelope(data="DATA", id=...), STRUCTURED, "id is missing"),
        (envelope(data="DATA", id=7), STRUCTURED, "id is missing, empty or not a string"),
        (
            envelope(data="DATA", datacontenttype="text/xml"),
            STRUCTURED,
            "datacontenttype must be application/json",
        ),
        (envelope(), STRUCTURED, "either data or data_base64"),
        (envelope(data="DATA", data_base64="e30="), STRUCTURED, "either data or data_base64"),
        (envelope(data_base64="e30"), STRUCTURED, "not base64"),
        (envelope(data_base64=5), STRUCTURED, "not a string"),
        (b"[1]", STRUCTURED, "not a JSON object"),
        (b"\xff", STRUCTURED, "not UTF-8"),
        (b"[" * 9_000, STRUCTURED, "nested deeper"),
        (b'{"id": "a", "id": "b"}', STRUCTURED, '"id" appears twice'),
        (
            DATA,
            (("content-type", b"application/cloudevents-batch+json"),),
            "other than application/cloudevents",
        ),
        (DATA, (("content-type", b"application/cloudevents+avro"),), "other than application/cloudevents"),
    ],
)
def test_contradictions_are_refused(value: bytes, headers: Any, says: str) -> None:
    with pytest.raises(EventInvalid) as refused:
        read_event(value, headers)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "value",
    [
        "",
        "junk",
        TRACEPARENT.upper(),
        TRACEPARENT + "-00",
        TRACEPARENT[:-1],
        "ff" + TRACEPARENT[2:],
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        "01" + TRACEPARENT[2:] + "extra",
        TRACEPARENT + "\n",
    ],
)
def test_an_invalid_traceparent_is_dropped_and_the_event_read(value: str) -> None:
    assert read_event(DATA, [("traceparent", value.encode())]) == Event(data=DATA)


def test_the_header_wins_over_the_extension() -> None:
    extension = ("ce_traceparent", OTHER_TRACEPARENT.encode())
    assert read_event(DATA, [extension]).traceparent == OTHER_TRACEPARENT
    assert read_event(DATA, [extension, ("traceparent", TRACEPARENT.encode())]).traceparent == TRACEPARENT


def test_two_different_traceparents_are_none() -> None:
    headers = [("traceparent", TRACEPARENT.encode()), ("traceparent", OTHER_TRACEPARENT.encode())]
    assert read_event(DATA, headers).traceparent is None
    assert read_event(DATA, [headers[0], headers[0]]).traceparent == TRACEPARENT


def test_a_later_traceparent_version_is_passed_on_as_version_00() -> None:
    later = "01" + TRACEPARENT[2:] + "-more"
    assert read_event(DATA, [("traceparent", later.encode())]).traceparent == TRACEPARENT


def test_what_is_written_is_read() -> None:
    time = datetime(2026, 3, 2, 16, 15, tzinfo=timezone(timedelta(hours=8)))
    headers = event_headers(SUBMISSION_TYPE, "urn:s", "编号", time, "题", TRACEPARENT)
    assert dict(headers)["content-type"] == b"application/json"
    assert read_event(DATA, headers) == Event(
        DATA, "编号", "urn:s", SUBMISSION_TYPE, "1.0", "题", "2026-03-02T08:15:00Z", TRACEPARENT
    )


def test_absent_and_invalid_attributes_are_not_written() -> None:
    headers = event_headers("t", "s", "i", datetime(2026, 1, 1, tzinfo=UTC), None, "junk")
    assert [name for name, _ in headers] == [
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_time",
        "content-type",
    ]


names = st.sampled_from(["ce_id", "ce_specversion", "ce_source", "ce_type", "content-type", "traceparent"]) | st.text()
values = st.none() | st.binary(max_size=40) | st.sampled_from([b"1.0", STRUCTURED[0][1], b"application/json"])


@given(st.binary(max_size=60), st.lists(st.tuples(names, values), max_size=8))
def test_any_record_is_an_event_or_refused(value: bytes, headers: list[tuple[str, bytes | None]]) -> None:
    try:
        outcome: Event | str = read_event(value, headers)
    except EventInvalid as refused:
        outcome = str(refused)
    assert isinstance(outcome, Event) or 0 < len(outcome) < 500
