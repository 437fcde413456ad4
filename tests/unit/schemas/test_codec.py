"""Strict reading: what two parsers could understand differently never becomes a submission."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import AdSubmission, Decision, Severity
from schemas.codec import (
    MESSAGE_CHARS_MAX,
    SubmissionMalformed,
    VerdictMalformed,
    encode,
    parse_submission,
    parse_verdict,
)
from schemas.strict_json import DEPTH_MAX, raw_member

from .examples import document

MINIMAL = {
    "submission_id": "sub-1",
    "revision": 1,
    "advertiser": {"id": "adv-1"},
    "category": "food",
    "text": {"title": "山里来的蜂蜜"},
    "submitted_at": "2026-03-02T08:15:00Z",
}


def event(**changes: Any) -> bytes:
    return json.dumps({**MINIMAL, **changes}, ensure_ascii=False).encode()


def with_literal(literal: str) -> bytes:
    """A valid event but for one unknown field whose value is `literal`."""
    return event(extra="HERE").replace(b'"HERE"', literal.encode())


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_a_minimal_event_is_read() -> None:
    submission = parse_submission(event())
    assert submission.submission_id == "sub-1"
    assert submission.text.title == "山里来的蜂蜜"
    assert submission.placement.media == "internet"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (event()[:-1] + b"\xc3", "not UTF-8"),
        (b"\xef\xbb\xbf" + event(), "not valid JSON"),
        (event() + b" x", "trailing characters"),
        (b"null", "should be an object"),
        (b"[]", "should be an object"),
        (b"{}", "submission_id: Field required"),
        (with_literal("NaN"), "not valid JSON"),
        (with_literal("Infinity"), "not valid JSON"),
        (with_literal("-1e999"), "too large for a double"),
        (with_literal("9" * 100_000), "number out of range"),
        (with_literal("-" + "9" * 4_300), "too large for a double"),
        (with_literal("9" * 310), "too large for a double"),
        (with_literal(r'"\ud800"'), "lone surrogate"),
        (with_literal(r'{"\udfff": 1}'), "lone surrogate"),
        (with_literal('"\x01"'), "control character"),
        (with_literal('{"a": 1, "b": 2, "a": 1}'), 'the key "a" appears twice'),
        (
            event().replace(b'"revision"', b'"submission_id": "other", "revision"'),
            '"submission_id" appears twice',
        ),
        (with_literal(nested(DEPTH_MAX)), "nested deeper than 32 levels"),
        (b"[" * 9_000, "nested deeper than 32 levels"),
        (b'{"a":' * 9_000, "nested deeper than 32 levels"),
        (b"[" * 1_000_000, "more than 10000 opening brackets"),
        (with_literal("[" + "[]," * 300_000 + "0]"), "more than 10000 opening brackets"),
        (with_literal("[" + "{}," * 300_000 + "0]"), "more than 10000 opening brackets"),
        (event(revision="1"), "revision: Input should be a valid integer"),
        (event(revision=True), "revision: Input should be a valid integer"),
        (event(revision=-1), "revision: Input should be greater than or equal to 0"),
        (event(revision=2**53 + 1), "revision: Input should be less than or equal to"),
        (event(category="weapons"), "category: Input should be 'drug_otc'"),
        (event(category=None), "category: Input should be"),
        (event(submitted_at="2026-03-02T08:15:00"), "submitted_at: Input should have timezone info"),
        (event(submitted_at=1_700_000_000), "submitted_at: Input should be a valid datetime"),
        (event(text={}), "nothing to judge"),
        (event(text={"title": 5}), "text.title: Input should be a valid string"),
        (event(text={"body": "好" * 400_000}), "together exceed 1048576 bytes"),
        (
            event(creatives=[{"asset_id": "a", "kind": "image", "bucket": "bkt"}]),
            "creatives[0].key: Field required",
        ),
    ],
)
def test_odd_input_is_refused_and_the_message_says_why(data: bytes, says: str) -> None:
    with pytest.raises(SubmissionMalformed) as refused:
        parse_submission(data)
    assert says in str(refused.value)
    assert len(str(refused.value)) <= MESSAGE_CHARS_MAX


def test_asset_ids_are_unique() -> None:
    creative = {"asset_id": "a", "kind": "image", "bucket": "bkt", "key": "k"}
    with pytest.raises(SubmissionMalformed, match="asset_id must be unique"):
        parse_submission(event(creatives=[creative, creative]))


def test_the_message_stays_short_and_quotes_no_value() -> None:
    secret = "hunter2" * 50
    wrong = {"asset_id": "", "kind": secret, "bucket": secret, "key": "", "sha256": secret, "size": secret}
    with pytest.raises(SubmissionMalformed) as refused:
        parse_submission(event(creatives=[wrong] * 16, category=secret, submitted_at=secret))
    assert "hunter2" not in str(refused.value)
    assert len(str(refused.value)) <= MESSAGE_CHARS_MAX
    assert refused.value.__cause__ is None


def test_a_long_duplicate_key_is_not_echoed_whole() -> None:
    key = "k" * 100_000
    with pytest.raises(SubmissionMalformed) as refused:
        parse_submission(with_literal(f'{{"{key}": 1, "{key}": 2}}'))
    assert len(str(refused.value)) < 200


def test_unknown_fields_are_ignored_also_large_and_nested_ones() -> None:
    assert parse_submission(with_literal(nested(DEPTH_MAX - 1))) == parse_submission(event())
    assert parse_submission(event(note="x" * 900_000)) == parse_submission(event())


def test_a_text_of_900_kb_is_accepted() -> None:
    body = "好" * 300_000
    assert parse_submission(event(text={"body": body})).text.body == body


def test_escaped_pairs_of_surrogates_are_characters() -> None:
    data = event(text={"title": "HERE"}).replace(b"HERE", rb"\ud83d\ude00")
    assert parse_submission(data).text.title == "😀"


def test_encoding_is_compact_utf8_without_empty_fields() -> None:
    encoded = encode(parse_submission(event()))
    assert "山里来的蜂蜜".encode() in encoded
    assert b": " not in encoded
    assert b"null" not in encoded


def test_a_newer_writers_values_become_unknown() -> None:
    newer = document("ad_verdict.reject")
    newer["decision"] = "escalate"
    newer["violations"][0]["severity"] = "catastrophic"
    newer["added_later"] = {"x": 1}
    verdict = parse_verdict(json.dumps(newer).encode())
    assert verdict.decision is Decision.UNKNOWN
    assert verdict.violations[0].severity is Severity.UNKNOWN


def test_a_verdict_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(VerdictMalformed, match="decision"):
        parse_verdict(json.dumps({**document("ad_verdict.approve"), "decision": 1}).encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*MINIMAL, "creatives", "placement", "landing_url"]), json_values))
def test_any_json_is_either_a_submission_or_refused(changes: dict[str, Any]) -> None:
    """No other exception, whatever the fields hold; what is accepted survives writing and reading again."""
    try:
        submission = parse_submission(event(**changes))
    except SubmissionMalformed as refused:
        message = str(refused)
    else:
        assert parse_submission(encode(submission)) == submission
        return
    assert 0 < len(message) <= MESSAGE_CHARS_MAX


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_without_another_exception(data: bytes) -> None:
    with pytest.raises(SubmissionMalformed):
        parse_submission(data)


@given(st.dictionaries(st.text(), json_values, min_size=1), st.data(), st.sampled_from([None, 1, "\t"]))
def test_a_members_raw_bytes_are_its_json(members: dict[str, Any], data: st.DataObject, indent: Any) -> None:
    name = data.draw(st.sampled_from(sorted(members)))
    text = json.dumps(members, ensure_ascii=data.draw(st.booleans()), indent=indent)
    raw = raw_member(text.encode("utf-8"), name)
    assert raw in text.encode("utf-8")
    assert json.loads(raw) == members[name]


def test_a_submission_is_frozen() -> None:
    submission = AdSubmission.model_validate(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        submission.revision = 2  # type: ignore[misc]
