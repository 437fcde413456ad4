"""What `advet submit` makes of files and events, before anything is sent."""

import hashlib

import pytest
from pydantic import ValidationError

from consumer.submit import AdCopy, build_submission, outgoing_event
from schemas import AdSubmission, Category, CreativeKind
from schemas.cloudevents import SUBMISSION_TYPE, read_event
from schemas.codec import encode, parse_submission


def test_the_event_pins_what_is_uploaded() -> None:
    ad = build_submission("a1", [("x.webp", b"one"), ("x.webp", b"two")], AdCopy(Category.FOOD), bucket="ads")
    assert [upload.key for upload in ad.uploads] == ["a1/01-x.webp", "a1/02-x.webp"]
    for reference, upload in zip(ad.submission.creatives, ad.uploads, strict=True):
        assert (reference.bucket, reference.key) == (upload.bucket, upload.key)
        assert reference.sha256 == hashlib.sha256(upload.content).hexdigest()
        assert reference.size == len(upload.content)
        assert reference.mime == upload.content_type == "image/webp"
    assert parse_submission(ad.value) == ad.submission


def test_a_clip_is_submitted_as_video() -> None:
    ad = build_submission("a1", [("clip.mp4", b"x")], AdCopy(Category.FOOD), bucket="ads")
    assert ad.submission.creatives[0].kind is CreativeKind.VIDEO


def test_nothing_to_judge_is_refused() -> None:
    with pytest.raises(ValidationError, match="nothing to judge"):
        build_submission("a1", [], AdCopy(Category.FOOD), bucket="ads")


def test_an_event_goes_out_byte_for_byte_in_binary_mode() -> None:
    value = b" " + build_submission("a1", [], AdCopy(Category.FOOD, title="t"), bucket="ads").value
    key, sent, headers = outgoing_event(value)
    event = read_event(sent, headers)
    assert (key, sent) == (b"a1", value)
    assert (event.data, event.type, event.subject) == (value, SUBMISSION_TYPE, "a1")


def test_an_unreadable_event_goes_out_without_key() -> None:
    assert outgoing_event(b"{")[:2] == (None, b"{")


def test_the_event_leaves_out_what_was_not_given() -> None:
    ad = build_submission("a1", [], AdCopy(Category.FOOD, title="t"), bucket="ads")
    assert b"approval_number" not in encode(AdSubmission.model_validate_json(ad.value))
