"""What ships with the demo is complete and consistent: copy, pictures, expectations, broken submissions."""

from datetime import UTC, datetime

import pytest
from PIL import Image

from consumer.demo import ads as shipped
from consumer.demo.broken import BOMB_SIDE_PIXELS, bomb_png, broken_submissions
from consumer.demo.runner import submissions
from schemas import Category, Decision, Reason
from schemas.codec import SubmissionMalformed, parse_submission

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}


def test_every_ad_has_one_expectation_with_a_reason() -> None:
    expectations = shipped.expectations()
    assert [ad.id for ad in shipped.ads()] == list(expectations)
    assert all(expectation.why for expectation in expectations.values())


def test_clean_and_trap_ads_are_lawful_and_violating_ones_are_not() -> None:
    expectations = shipped.expectations()
    for ad in shipped.ads():
        approved = expectations[ad.id].decision is Decision.APPROVE
        assert approved == (ad.group != "violating"), ad.id
        assert approved != bool(expectations[ad.id].rules), ad.id


def test_there_are_enough_ads_of_every_kind() -> None:
    ads = shipped.ads()
    assert sum(len(ad.pictures) for ad in ads) >= 24
    assert {ad.group for ad in ads} == {"clean", "violating", "trap"}
    wanted = {"drug_otc", "drug_rx", "medical_device", "health_food", "cosmetics", "finance", "education", "general"}
    assert {Category(name) for name in wanted} <= {ad.category for ad in ads}
    assert any(not ad.pictures for ad in ads)
    assert any(len(ad.pictures) > 1 for ad in ads)


def test_the_committed_pictures_are_those_of_the_copy_and_small() -> None:
    files = sorted(path.name for path in shipped.PICTURES.iterdir())
    assert files == sorted(design.file for design in shipped.designs())
    assert sum(path.stat().st_size for path in shipped.PICTURES.iterdir()) < 4_000_000


def test_pictures_decode_and_are_what_their_names_say() -> None:
    shapes = set()
    for path in shipped.PICTURES.iterdir():
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == FORMATS[path.suffix], path.name
            shapes.add(round(picture.width / picture.height, 2))
    assert len(shapes) >= 3


def test_submissions_are_valid_unless_broken_on_purpose() -> None:
    reasons = shipped.broken_reasons()
    sent = submissions(NOW)
    assert len({ad.key for ad in sent}) == len(sent)
    assert {ad.key.decode() for ad in sent} == {*shipped.expectations(), *reasons}
    for ad in sent:
        if reasons.get(ad.key.decode()) == Reason.SUBMISSION_INVALID:
            with pytest.raises(SubmissionMalformed):
                parse_submission(ad.value)
        else:
            parse_submission(ad.value)


def test_a_missing_object_is_not_uploaded_and_a_changed_one_differs() -> None:
    sent = {ad.key.decode(): ad for ad in broken_submissions("ad-creatives", NOW)}
    assert sent["broken-missing"].uploads == ()
    changed = sent["broken-changed"]
    assert len(changed.uploads[0].content) != changed.submission.creatives[0].size


def test_the_bomb_is_small_and_declares_too_many_pixels() -> None:
    bomb = bomb_png()
    assert len(bomb) < 200_000
    assert int.from_bytes(bomb[16:20]) == int.from_bytes(bomb[20:24]) == BOMB_SIDE_PIXELS
