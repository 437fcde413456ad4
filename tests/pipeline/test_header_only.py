"""An engine that needs no pixels: headers are read and checked, nothing is decoded."""

import hashlib
import json

import pytest

from tests.hostile import encoded, quarters
from tests.rig import Rig, submission


@pytest.fixture
def rig(tmp_path, embedded_broker, weed_store):
    return Rig.make(tmp_path, embedded_broker.bootstrap, weed_store)


@pytest.fixture
def cut(s3):
    """The key and the bytes of a picture with a sound header and half of its data."""
    picture = encoded(quarters(size=(640, 320)), "JPEG", quality=95)
    body = picture[: len(picture) // 2]
    s3.put_object(Bucket="ad-creatives", Key="cut.jpg", Body=body)
    return "cut.jpg", body


def judged(rig, engine, key):
    rig.produce([submission(1, creatives=[{"asset_id": "p", "kind": "image", "bucket": "ad-creatives", "key": key}])])
    with rig.member(engine, "0") as member:
        (outcome,) = rig.collect(1, member=member)
        assert member.terminate() == 0
    return outcome


def test_a_picture_is_not_decoded_for_an_engine_that_does_not_look(rig, cut):
    key, body = cut
    outcome = judged(rig, "header", key)
    assert outcome.reason is None
    (asset,) = json.loads(outcome.value)["assets"]
    assert (asset["width"], asset["height"]) == (640, 320)
    assert asset["sha256"] == hashlib.sha256(body).hexdigest()


def test_the_same_picture_is_refused_for_one_that_looks(rig, cut):
    assert judged(rig, "fixed", cut[0]).reason == "creative_undecodable"
