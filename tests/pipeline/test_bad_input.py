"""Bad input through the whole stream: each has its reason, nothing crashes, hangs, leaks or stops the others."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.hostile import damaged_images, hostile_images, odd_but_valid_images
from tests.processes import open_descriptors
from tests.rig import Rig, submission, wait_for

DEEP = b'{"a":' * 150_000 + b"1" + b"}" * 150_000
CLOUD = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/t"), ("ce_type", b"com.advet.submission.v1")]


def event(number: int, **changes: object) -> bytes:
    return json.dumps(submission(number, **changes), ensure_ascii=False).encode()


def picture(key: str, **more: object) -> dict:
    return {"asset_id": "p1", "kind": "image", "bucket": "ad-creatives", "key": key} | more


BAD_EVENTS: dict[str, tuple[bytes, list[tuple[str, bytes]]]] = {
    "empty": (b"", []),
    "no JSON": (b"hello", []),
    "invalid UTF-8": (event(1).replace("新".encode(), b"\xff"), []),
    "deep nesting": (DEEP, []),
    "NaN": (event(1).replace(b'"revision": 1', b'"revision": NaN'), []),
    "duplicate key": (event(1).replace(b'"revision": 1', b'"revision": 1, "revision": 2'), []),
    "list": (b"[]", []),
    "missing field": (b'{"submission_id": "x"}', []),
    "unknown category": (event(1, category="weapons"), []),
    "nothing to judge": (event(1, text={}), []),
    "wrong type": (event(1, revision="first"), []),
    "huge number": (event(1).replace(b'"revision": 1', b'"revision": 1e999'), []),
    "asset twice": (event(1, creatives=[picture("a"), picture("b")]), []),
    "future CloudEvents": (event(1), [("ce_specversion", b"9.9"), *CLOUD[1:], ("content-type", b"application/json")]),
    "not JSON by its header": (event(1), [*CLOUD, ("content-type", b"text/plain")]),
    "contradicting envelope": (event(1), [*CLOUD, ("content-type", b"application/cloudevents+json")]),
}


@pytest.fixture
def rig(tmp_path, embedded_broker, weed_store):
    return Rig.make(
        tmp_path,
        embedded_broker.bootstrap,
        weed_store,
        storage={"max_object_bytes": 4 * 1024 * 1024},
        creatives={"decode_seconds": 5},
    )


@pytest.fixture
def put(s3):
    """Uploads with a client of its own."""
    return lambda key, body: s3.put_object(Bucket="ad-creatives", Key=key, Body=body)


def children(pid: int) -> set[int]:
    return {int(p) for task in Path(f"/proc/{pid}/task").iterdir() for p in (task / "children").read_text().split()}


def test_events_that_cannot_be_read_become_dead_letters_with_their_bytes(rig):
    sent = rig.produce([(value, b"s-1", headers) for value, headers in BAD_EVENTS.values()])
    rig.produce(submission(n) for n in range(100, 140))
    with rig.member("fixed", "0") as member:
        outcomes = {o.origin: o for o in rig.collect(len(BAD_EVENTS) + 40, member=member)}
        assert member.terminate() == 0
    assert len(outcomes) == len(BAD_EVENTS) + 40
    for name, origin in zip(BAD_EVENTS, sent, strict=True):
        letter = outcomes[origin]
        assert letter.reason == "submission_invalid", name
        assert letter.value == BAD_EVENTS[name][0], name
        assert letter.headers[: len(BAD_EVENTS[name][1])] == BAD_EVENTS[name][1], name


def test_a_key_that_is_not_the_submission_id_is_refused(rig):
    rig.produce([(event(1), b"another", []), (event(2), None, [])])
    with rig.member("fixed", "0") as member:
        outcomes = rig.collect(2, member=member)
    assert sorted(str(o.reason) for o in outcomes) == ["None", "submission_invalid"]


def test_hostile_creatives_get_their_reasons_and_leave_nothing_behind(rig, put):
    """Every hostile, odd and damaged picture in one run, beside plain ads, on one consumer."""
    hostile = hostile_images()
    odd = odd_but_valid_images()
    damaged = dict(damaged_images(seed=7, count=60))
    files = (
        {f"hostile/{k}": v for k, (v, _) in hostile.items()}
        | {f"odd/{k}": v.content for k, v in odd.items()}
        | {f"damaged/{k}": v for k, v in damaged.items()}
    )
    for key, body in files.items():
        put(key, body)
    with rig.member("fixed", "0") as member:
        before = children(member.process.pid), open_descriptors(member.process.pid)
        sent = rig.produce(submission(n, creatives=[picture(key)]) for n, key in enumerate(files))
        rig.produce(submission(n) for n in range(1000, 1040))
        outcomes = {o.origin: o for o in rig.collect(len(files) + 40, seconds=120, member=member)}
        assert len(outcomes) == len(files) + 40
        got = dict(zip(files, (outcomes[origin].reason for origin in sent), strict=True))
        assert {k: got[f"hostile/{k}"] for k in hostile} == {k: str(reason) for k, (_, reason) in hostile.items()}
        assert {k: got[f"odd/{k}"] for k in odd} == dict.fromkeys(odd)
        assert {got[f"damaged/{k}"] for k in damaged} <= {None, "creative_undecodable", "creative_unsupported"}
        wait_for(lambda: len(children(member.process.pid)) <= len(before[0]), member)
        wait_for(lambda: open_descriptors(member.process.pid) <= before[1] + 20, member)
        assert member.metric("advet_in_flight_bytes") == 0
        left = children(member.process.pid)
        assert member.terminate() == 0
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))


def test_creatives_that_cannot_be_had_get_their_reasons(rig, put):
    put("plain.txt", b"hello")
    put("there.png", odd_but_valid_images().popitem()[1].content)
    put("large.png", b"\x89PNG" + bytes(5 * 1024 * 1024))
    wanted = {
        "creative_missing": [picture("nowhere.png"), picture("http://127.0.0.1:1/x.png")],
        "creative_forbidden": [picture("there.png", bucket="other-bucket"), picture("../other-bucket/there.png")],
        "creative_changed": [picture("there.png", sha256="0" * 64), picture("there.png", etag='"nope"')],
        "creative_too_large": [picture("large.png")],
        "creative_unsupported": [picture("plain.txt"), picture("film.mp4", kind="video")],
        "None": [picture("there.png")],
    }
    flat = [(reason, creative) for reason, creatives in wanted.items() for creative in creatives]
    sent = rig.produce(submission(n, creatives=[creative]) for n, (_, creative) in enumerate(flat))
    with rig.member("fixed", "0") as member:
        outcomes = {o.origin: o for o in rig.collect(len(flat), member=member)}
        assert member.terminate() == 0
    got = [str(outcomes[origin].reason) for origin in sent]
    assert list(zip(got, (c["key"] for _, c in flat), strict=True)) == [(r, c["key"]) for r, c in flat]


def test_a_storage_outage_pauses_and_loses_nothing(rig, put, weed_store):
    """The store stops answering: partitions pause with the reason `storage`; no dead letter is written."""
    put("ad.png", odd_but_valid_images().popitem()[1].content)
    rig.config.write_text(
        rig.config.read_text().replace("[storage]\n", "[storage]\nattempts = 2\nread_timeout_seconds = 0.5\n")
    )
    with rig.member("fixed", "0") as member:
        rig.produce([submission(0, creatives=[picture("ad.png")])])
        rig.collect(1, member=member)
        os.kill(weed_store.child.pid, signal.SIGSTOP)
        try:
            sent = rig.produce(submission(n, creatives=[picture("ad.png")]) for n in range(1, 200))
            wait_for(lambda: "storage" in member.paused(), member)
            assert member.metric("advet_storage_out") == 1
            read = member.metric("advet_records_total")
            assert read < 200
            assert member.get("/readyz")[0] == 200, "paused is ready"
            time.sleep(1)
            assert member.metric("advet_records_total") == read, "an outage takes no more records"
        finally:
            os.kill(weed_store.child.pid, signal.SIGCONT)
        outcomes = rig.collect(200, member=member)
        assert [o.reason for o in outcomes if o.reason] == []
        assert {o.origin for o in outcomes} >= set(sent)
        wait_for(lambda: "storage" not in member.paused(), member)
        assert member.metric("advet_storage_out") == 0
        assert member.terminate() == 0
