"""Dead letters: the original untouched, the facts bounded, and other systems' letters understood."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import AdVerdict, Category, DeadLetter, OomFacts, Reason, RecordOrigin, Stage
from schemas.cloudevents import VERDICT_TYPE, read_event
from schemas.foreign_letters import LetterUnreadable
from schemas.headers import FACTS, dead_letter_headers, read_dead_letter, verdict_headers

from .examples import NAMES, document, headers

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LETTER = DeadLetter(
    reason=Reason.CREATIVE_MISSING,
    stage=Stage.FETCH,
    message="no such object",
    error_class="PermanentError",
    origin=RecordOrigin(topic="ad-submissions", partition=3, offset=17),
    group="advet",
    attempts=2,
    first_failed_at=datetime(2026, 3, 2, 17, 0, tzinfo=timezone(timedelta(hours=8))),
)

counts = st.integers(0, 2**63 - 1)
facts = st.text(max_size=400)
oom_facts = st.builds(
    OomFacts,
    **dict.fromkeys(
        [
            *("predicted_bytes", "free_bytes", "total_bytes", "reserved_bytes", "allocated_bytes"),
            *("other_processes_bytes", "visual_tokens", "text_tokens", "batch"),
        ],
        counts,
    ),
    requested_bytes=st.none() | counts,
    device=facts,
    rung=facts,
)
letters = st.builds(
    DeadLetter,
    reason=st.sampled_from(Reason),
    stage=st.sampled_from(Stage),
    message=st.text(max_size=3000),
    error_class=facts,
    origin=st.builds(
        RecordOrigin,
        topic=st.from_regex(r"[a-zA-Z0-9._-]{1,249}", fullmatch=True),
        partition=st.integers(0, 2**31 - 1),
        offset=counts,
    ),
    group=facts,
    attempts=st.integers(1, 2**31),
    first_failed_at=st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    engine=st.none() | facts,
    policy_version=st.none() | facts,
    replay_count=st.integers(0, 100),
    run_id=st.none() | facts,
    traceparent=st.none() | st.just(TRACEPARENT),
    creatives=st.dictionaries(
        st.text(min_size=1, max_size=40), st.from_regex(r"[0-9a-f]{64}", fullmatch=True), max_size=4
    ),
    oom=st.none() | oom_facts,
)
originals = st.lists(
    st.tuples(st.sampled_from(sorted(FACTS)) | st.text(max_size=20), st.none() | st.binary(max_size=20)), max_size=8
)


@given(letters, originals)
def test_facts_survive_the_headers_and_the_original_stays(
    letter: DeadLetter, original: list[tuple[str, bytes | None]]
) -> None:
    written = dead_letter_headers(letter, original)
    foreign = tuple(pair for pair in original if pair[0] not in FACTS)
    assert written[: len(foreign)] == foreign
    names = [name for name, _ in written[len(foreign) :]]
    assert set(names) <= FACTS
    assert len(names) == len(set(names))
    assert read_dead_letter(written) == letter


@given(letters, letters)
def test_a_replayed_letter_replaces_its_facts(first: DeadLetter, second: DeadLetter) -> None:
    original = [("ce_id", b"1"), ("trace-note", None)]
    again = dead_letter_headers(second, dead_letter_headers(first, original))
    assert again == dead_letter_headers(second, original)


def test_the_names_on_the_wire() -> None:
    """They are a contract with readers in other languages: written out here, not taken from the code."""
    oom = OomFacts(
        predicted_bytes=9,
        free_bytes=1,
        total_bytes=8,
        reserved_bytes=2,
        allocated_bytes=3,
        other_processes_bytes=4,
        visual_tokens=5,
        text_tokens=6,
        batch=1,
        device="L4",
        rung="alone",
    )
    letter = LETTER.model_copy(
        update={
            "engine": "qwen2-vl",
            "policy_version": "1.2.0",
            "replay_count": 1,
            "run_id": "r1",
            "traceparent": TRACEPARENT,
            "creatives": {"甲": "a" * 64},
            "oom": oom,
        }
    )
    assert dict(dead_letter_headers(letter, ())) == {
        "__dlq.errors.topic": b"ad-submissions",
        "__dlq.errors.partition": b"3",
        "__dlq.errors.offset": b"17",
        "__dlq.errors.group": b"advet",
        "__dlq.errors.delivery.count": b"2",
        "__dlq.errors.message": b"no such object",
        "advet-reason": b"creative_missing",
        "advet-stage": b"fetch",
        "advet-error-class": b"PermanentError",
        "advet-first-failed-at": b"2026-03-02T09:00:00Z",
        "advet-attempts": b"2",
        "advet-model": b"qwen2-vl",
        "advet-policy-version": b"1.2.0",
        "advet-replay-count": b"1",
        "advet-run-id": b"r1",
        "advet-traceparent": TRACEPARENT.encode(),
        "advet-creatives": ('{"甲":"' + "a" * 64 + '"}').encode(),
        "advet-oom": b'{"predicted_bytes":9,"free_bytes":1,"total_bytes":8,"reserved_bytes":2,"allocated_bytes":3,'
        b'"other_processes_bytes":4,"visual_tokens":5,"text_tokens":6,"batch":1,"device":"L4","rung":"alone"}',
    }


def test_the_message_is_cut_and_stripped() -> None:
    letter = DeadLetter.model_validate({**LETTER.model_dump(), "message": "a\x00b\x1b[31m\n\u202e\ud800" + "x" * 9000})
    written = dict(dead_letter_headers(letter, ()))["__dlq.errors.message"]
    assert written is not None
    assert written.startswith(b"a b [31m   x")
    assert len(written.decode()) == 1024


def test_the_largest_letter_fits_into_the_room_topics_leave() -> None:
    """Dead-letter topics take the input's largest record and 64 KiB more."""
    oom = dict.fromkeys(OomFacts.model_fields, 2**63 - 1) | {"device": "😀" * 999, "rung": "😀" * 999}
    wide = "😀" * 5000
    letter = DeadLetter.model_validate(
        {
            **LETTER.model_dump(),
            **dict.fromkeys(["message", "error_class", "group", "engine", "policy_version", "run_id"], wide),
            "traceparent": wide,
            "creatives": {f"{number:02}" + "\x01" * 254: "f" * 64 for number in range(16)},
            "oom": oom,
        }
    )
    assert sum(len(name) + len(value or b"") for name, value in dead_letter_headers(letter, ())) < 60 * 1024


def test_newer_reasons_and_stages_read_as_unknown() -> None:
    written = dict(dead_letter_headers(LETTER, ())) | {"advet-reason": b"solar_flare", "advet-stage": b"orbit"}
    letter = read_dead_letter(tuple(written.items()))
    assert (letter.reason, letter.stage) == (Reason.UNKNOWN, Stage.UNKNOWN)


def test_the_last_header_of_a_name_counts() -> None:
    repeated = (("advet-attempts", b"9"), *dead_letter_headers(LETTER, ()))
    assert read_dead_letter(repeated).attempts == 2


SPRING = {
    "kafka_dlt-original-topic": b"orders",
    "kafka_dlt-original-partition": (5).to_bytes(4, "big"),
    "kafka_dlt-original-offset": (2**40 + 1).to_bytes(8, "big"),
    "kafka_dlt-original-timestamp": (1_700_000_000_000).to_bytes(8, "big"),
    "kafka_dlt-original-timestamp-type": b"CreateTime",
    "kafka_dlt-original-consumer-group": b"billing",
    "kafka_dlt-exception-fqcn": b"org.springframework.kafka.listener.ListenerExecutionFailedException",
    "kafka_dlt-exception-cause-fqcn": b"java.lang.IllegalStateException",
    "kafka_dlt-exception-message": b"no stock",
    "kafka_dlt-exception-stacktrace": b"at ...",
}
CONNECT = {
    "__connect.errors.topic": b"orders",
    "__connect.errors.partition": b"5",
    "__connect.errors.offset": b"12",
    "__connect.errors.connector.name": b"sink",
    "__connect.errors.task.id": b"0",
    "__connect.errors.stage": b"VALUE_CONVERTER",
    "__connect.errors.class.name": b"org.apache.kafka.connect.json.JsonConverter",
    "__connect.errors.exception.class.name": b"org.apache.kafka.connect.errors.DataException",
    "__connect.errors.exception.message": b"bad json",
}
STREAMS = {
    "__streams.errors.topic": b"orders",
    "__streams.errors.partition": b"5",
    "__streams.errors.offset": b"12",
    "__streams.errors.exception": b"org.apache.kafka.common.errors.SerializationException",
    "__streams.errors.message": b"bad size",
}
SHARE = {
    "__dlq.errors.topic": b"orders",
    "__dlq.errors.partition": b"5",
    "__dlq.errors.offset": b"12",
    "__dlq.errors.group": b"share-1",
    "__dlq.errors.delivery.count": b"5",
    "__dlq.errors.message": b"too many deliveries",
}


@pytest.mark.parametrize(
    ("foreign", "expected"),
    [
        (SPRING, ("orders", 5, 2**40 + 1, "billing", "java.lang.IllegalStateException", "no stock", 1)),
        (
            CONNECT,
            ("orders", 5, 12, "connect-sink", "org.apache.kafka.connect.errors.DataException", "bad json", 1),
        ),
        (
            STREAMS,
            ("orders", 5, 12, "unknown", "org.apache.kafka.common.errors.SerializationException", "bad size", 1),
        ),
        (SHARE, ("orders", 5, 12, "share-1", "", "too many deliveries", 5)),
    ],
    ids=["spring", "connect", "streams", "share"],
)
def test_letters_of_other_systems(foreign: dict[str, bytes], expected: tuple[Any, ...]) -> None:
    letter = read_dead_letter([("x", b"\xff"), *foreign.items()])
    assert (letter.reason, letter.stage, letter.first_failed_at) == (Reason.UNKNOWN, Stage.UNKNOWN, None)
    origin = letter.origin
    assert expected == (
        *(origin.topic, origin.partition, origin.offset),
        *(letter.group, letter.error_class, letter.message, letter.attempts),
    )


def without(base: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {key: value for key, value in base.items() if key != name}


OWN = {name: value or b"" for name, value in dead_letter_headers(LETTER, ())}


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({}, "no dead-letter headers"),
        ({"ce_id": b"1"}, "no dead-letter headers"),
        (without(SPRING, "kafka_dlt-original-offset"), "kafka_dlt-original-offset is not a big-endian integer of 8"),
        ({**SPRING, "kafka_dlt-original-partition": b"5"}, "big-endian integer of 4 bytes"),
        ({**SPRING, "kafka_dlt-original-offset": b"\xff" * 8}, "valid origin.offset"),
        ({**CONNECT, "__connect.errors.offset": b"-1"}, "__connect.errors.offset is not an integer"),
        ({**STREAMS, "__streams.errors.partition": b"9" * 50}, "__streams.errors.partition is not an integer"),
        (without(OWN, "__dlq.errors.offset"), "__dlq.errors.offset is not an integer"),
        (without(OWN, "__dlq.errors.topic"), "valid origin.topic"),
        ({**OWN, "advet-attempts": b"0"}, "valid attempts"),
        ({**OWN, "advet-first-failed-at": b"yesterday"}, "valid first_failed_at"),
        ({**OWN, "advet-oom": b"{"}, "advet-oom is not JSON"),
        ({**OWN, "advet-oom": b"[" * 100_000}, "advet-oom is not JSON"),
        ({**OWN, "advet-oom": b"{}"}, "valid oom."),
        ({**OWN, "advet-creatives": b'{"a":"nothex"}'}, "valid creatives.a"),
    ],
)
def test_incomplete_letters_are_refused_by_name(broken: dict[str, bytes], says: str) -> None:
    with pytest.raises(LetterUnreadable) as refused:
        read_dead_letter(tuple(broken.items()))
    assert says in str(refused.value)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("dead_letter.")])
def test_golden_letters_read_and_write_to_the_byte(name: str) -> None:
    golden = headers(name)
    original = tuple(pair for pair in golden if pair[0] not in FACTS)
    assert dead_letter_headers(read_dead_letter(golden), original) == golden


def test_a_verdicts_headers_filter_without_parsing() -> None:
    verdict = AdVerdict.model_validate(document("ad_verdict.reject"))
    written = verdict_headers(verdict, Category.HEALTH_FOOD, TRACEPARENT)
    assert dict(written)["decision"] == b"reject"
    assert dict(written)["category"] == b"health_food"
    event = read_event(json.dumps({}).encode(), written)
    assert (event.type, event.id, event.subject) == (VERDICT_TYPE, verdict.verdict_id, "sub-2026-000104")
    assert event.traceparent == TRACEPARENT
