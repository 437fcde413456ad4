"""An engine that needs no pixels: headers are read and checked, nothing is decoded."""

import hashlib
import json

import boto3
import botocore.config
import pytest

from tests.hostile import encoded, quarters
from tests.rig import Rig, submission


@pytest.fixture
def rig(tmp_path, embedded_broker, weed_store):
    return Rig.make(tmp_path, embedded_broker.bootstrap, weed_store)


@pytest.fixture
def cut(weed_store):
    """The key and the bytes of a picture with a sound header and half of its data."""
    client = boto3.client(
        "s3",
        endpoint_url=weed_store.endpoint,
        aws_access_key_id=weed_store.keys.access,
        aws_secret_access_key=weed_store.keys.secret,
        region_name="us-east-1",
        config=botocore.config.Config(s3={"addressing_style": "path"}),
    )
    picture = encoded(quarters(size=(640, 320)), "JPEG", quality=95)
    body = picture[: len(picture) // 2]
    client.put_object(Bucket="ad-creatives", Key="cut.jpg", Body=body)
    yield "cut.jpg", body
    client.close()


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
