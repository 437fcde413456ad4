"""The store's promises, on a real SeaweedFS and on a server that misbehaves on command."""

import asyncio
import hashlib
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from http.server import BaseHTTPRequestHandler

import boto3
import pytest

from consumer.creatives.download import LATEST
from consumer.creatives.store import S3Store
from consumer.errors import AdvetError, PermanentError, StorageUnavailable
from consumer.local.object_store import ObjectStore
from consumer.messages import Blob
from consumer.settings import StorageSettings
from schemas import CreativeKind, CreativeRef, Reason
from tests.contracts.faulty_store import (
    CONTENT,
    Fault,
    cut,
    dripping,
    faulty_store,
    hanging,
    lying,
    refused,
    unmeasured,
    whole,
)
from tests.processes import descriptors_settle_at, open_descriptors

Scenario = Callable[[S3Store], Coroutine[None, None, None]]
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def ref(key: str, bucket: str = "ads", **pins: object) -> CreativeRef:
    named = {"asset_id": "a", "kind": CreativeKind.IMAGE, "bucket": bucket, "key": key}
    return CreativeRef.model_validate({**named, **pins})


async def free(_size_bytes: int) -> None:
    """A reservation that is always granted."""


def on_store(scenario: Scenario, endpoint: str, **changes: object) -> None:
    """Runs the scenario on a started store and proves that no descriptor is left."""

    async def run() -> None:
        settings = StorageSettings.model_validate({
            "endpoint": endpoint, "access_key": "key", "secret_key": "secret", "buckets": ("ads",), "attempts": 3,
            "concurrency": 4, "read_timeout_seconds": 5, **changes,
        })  # fmt: skip
        store = S3Store(settings)
        await store.start()
        try:
            await scenario(store)
        finally:
            await store.close()

    before = open_descriptors()
    asyncio.run(run())
    assert descriptors_settle_at(before)


def on_weed(scenario: Scenario, weed: ObjectStore, **changes: object) -> None:
    keys = {"access_key": weed.keys.access, "secret_key": weed.keys.secret}
    on_store(scenario, weed.endpoint, **{**keys, **changes})


async def content_of(fetching: Awaitable[Blob]) -> bytes:
    blob = await fetching
    try:
        return blob.content.read()
    finally:
        blob.content.close()


async def reason_of(fetching: Awaitable[Blob]) -> Reason:
    with pytest.raises(PermanentError) as raised:
        await fetching
    return raised.value.reason


def test_what_is_put_is_fetched(weed: ObjectStore) -> None:
    big = bytes(range(256)) * 8192

    async def scenario(store: S3Store) -> None:
        for key, content in {"中文/图 1.png": CONTENT, "empty": b"", "big": big}.items():
            await store.put("ads", key, content, "image/png")
            blob = await store.fetch(ref(key), free)
            assert blob.content.read() == content
            assert blob.sha256 == hashlib.sha256(content).hexdigest()
            blob.content.close()

    on_weed(scenario, weed)


def test_pins_are_honoured(weed: ObjectStore) -> None:
    async def scenario(store: S3Store) -> None:
        await store.put("ads", "pinned", CONTENT, "image/png")
        etag = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
        good: dict[str, object] = {"sha256": SHA256, "size": len(CONTENT), "etag": etag}
        assert await content_of(store.fetch(ref("pinned").model_copy(update=good), free)) == CONTENT
        assert await content_of(store.fetch(ref("pinned", etag=f'"{etag}"'), free)) == CONTENT
        for wrong in ({"sha256": "0" * 64}, {"size": 1}, {"etag": "0" * 32}):
            wrongly = ref("pinned").model_copy(update={**good, **wrong})
            assert await reason_of(store.fetch(wrongly, free)) is Reason.CREATIVE_CHANGED

    on_weed(scenario, weed)


def test_versions_are_honoured(weed: ObjectStore) -> None:
    client = boto3.client(
        "s3", endpoint_url=weed.endpoint, region_name="us-east-1", aws_access_key_id=weed.keys.access,
        aws_secret_access_key=weed.keys.secret,
    )  # fmt: skip
    client.create_bucket(Bucket="versioned")
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    first = client.put_object(Bucket="versioned", Key="k", Body=b"first")["VersionId"]
    client.put_object(Bucket="versioned", Key="k", Body=b"second")
    marker = client.delete_object(Bucket="versioned", Key="k")["VersionId"]
    client.close()

    async def scenario(store: S3Store) -> None:
        assert await content_of(store.fetch(ref("k", "versioned", version_id=first), free)) == b"first"
        nonsense = await reason_of(store.fetch(ref("k", "versioned", version_id="../?x=1"), free))
        assert nonsense in {Reason.CREATIVE_MISSING, Reason.CREATIVE_FORBIDDEN}
        for gone in (None, marker, "0" * 32):
            fetching = store.fetch(ref("k", "versioned", version_id=gone), free)
            assert (gone, await reason_of(fetching)) == (gone, Reason.CREATIVE_MISSING)

    on_weed(scenario, weed, buckets=("versioned",))


def test_a_version_that_the_store_does_not_prove_is_not_taken_for_it() -> None:
    async def scenario(store: S3Store) -> None:
        assert await reason_of(store.fetch(ref("k", version_id="v1"), free)) is Reason.CREATIVE_CHANGED
        assert await content_of(store.fetch(ref("k", version_id="v1", sha256=SHA256), free)) == CONTENT

    with faulty_store([whole]) as server:
        on_store(scenario, server.endpoint)


@pytest.mark.parametrize("pin", ["\ud800", "a\r\nHost: example.invalid", "图", "a\0"])
@pytest.mark.parametrize("name", ["version_id", "etag"])
def test_pins_that_no_store_gives_are_refused_unsent(name: str, pin: str) -> None:
    async def scenario(store: S3Store) -> None:
        assert await reason_of(store.fetch(ref("k").model_copy(update={name: pin}), free)) is Reason.CREATIVE_MISSING

    with faulty_store([whole]) as server:
        on_store(scenario, server.endpoint)
    assert server.paths == []


def test_missing_and_forbidden(weed: ObjectStore) -> None:
    async def scenario(store: S3Store) -> None:
        assert await reason_of(store.fetch(ref("not-there"), free)) is Reason.CREATIVE_MISSING
        assert await reason_of(store.fetch(ref("k", "no-such-bucket"), free)) is Reason.CREATIVE_MISSING
        assert await reason_of(store.fetch(ref("k", "private"), free)) is Reason.CREATIVE_FORBIDDEN

    on_weed(scenario, weed, buckets=("ads", "no-such-bucket"))


KEYS = [
    "../private/secret", "/../private/secret", "a/../../private/secret", "..", ".", "./x", "/private/secret",
    "//private/secret", "..%2fprivate%2fsecret", "%2e%2e/private/secret", "http://127.0.0.1:1/x",
    "https://example.invalid/x", "//example.invalid/x", "@example.invalid/x", "x?versionId=1", "x?list-type=2", "x#y",
    "\\..\\private\\secret", "a\r\nHost: example.invalid", "a\0b", "\ud800", "a" * 1024, "图" * 1024,
    "s3://private/secret", "?acl",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_no_key_reaches_another_bucket(weed: ObjectStore, key: str) -> None:
    """The credentials may read `private`; only the bucket of the submission keeps its object out of reach."""

    async def scenario(store: S3Store) -> None:
        await store.put("private", "secret", b"the secret", "text/plain")
        reason = await reason_of(store.fetch(CreativeRef.model_construct(**{**dict(ref("k")), "key": key}), free))
        assert reason in {Reason.CREATIVE_MISSING, Reason.CREATIVE_FORBIDDEN}

    on_weed(scenario, weed)


@pytest.mark.parametrize("key", KEYS)
def test_every_request_stays_below_its_bucket(key: str) -> None:
    async def scenario(store: S3Store) -> None:
        await reason_of(store.fetch(CreativeRef.model_construct(**{**dict(ref("k")), "key": key}), free))

    with faulty_store([refused(404, "NoSuchKey")]) as server:
        on_store(scenario, server.endpoint)
    for path in server.paths:
        assert path.startswith("/ads/")
        assert "?" not in path
        assert not {".", ".."} & set(path.split("/"))


def test_bytes_are_reserved_before_the_body_is_read(weed: ObjectStore) -> None:
    async def scenario(store: S3Store) -> None:
        await store.put("ads", "reserved", CONTENT, "image/png")
        asked: list[int] = []

        async def never(size_bytes: int) -> None:
            asked.append(size_bytes)
            await asyncio.Event().wait()

        before = open_descriptors()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await store.fetch(ref("reserved"), never)
        assert asked == [len(CONTENT)]
        assert descriptors_settle_at(before)

    on_weed(scenario, weed)


def test_objects_of_the_usual_size_are_reserved_before_they_are_asked_for(weed: ObjectStore) -> None:
    """And larger ones once their head is known; what is reserved always covers what is read."""

    async def scenario(store: S3Store) -> None:
        await store.put("ads", "usual", CONTENT, "image/png")
        await store.put("ads", "larger", CONTENT * 2, "image/png")
        asked: list[int] = []

        async def note(size_bytes: int) -> None:
            asked.append(size_bytes)

        for _ in range(LATEST):
            assert await content_of(store.fetch(ref("usual"), note)) == CONTENT
        assert asked == [len(CONTENT)] * LATEST
        asked.clear()
        assert await content_of(store.fetch(ref("larger"), note)) == CONTENT * 2
        assert await content_of(store.fetch(ref("usual"), note)) == CONTENT
        assert asked == [len(CONTENT), 2 * len(CONTENT), 2 * len(CONTENT)]

    on_weed(scenario, weed)


def test_a_cancelled_download_that_was_read_ahead_leaves_nothing(weed: ObjectStore) -> None:
    async def scenario(store: S3Store) -> None:
        await store.put("ads", "usual", CONTENT, "image/png")
        sized = ref("usual").model_copy(update={"size": len(CONTENT)})
        await content_of(store.fetch(sized, free))
        before = open_descriptors()
        for _ in range(20):
            fetching = asyncio.create_task(store.fetch(sized, free))
            for _step in range(4):
                await asyncio.sleep(0)
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)
        assert descriptors_settle_at(before)

    on_weed(scenario, weed, concurrency=1)  # one connection, so that descriptors tell


def test_too_large_is_refused_before_anything_is_reserved(weed: ObjectStore) -> None:
    async def scenario(store: S3Store) -> None:
        await store.put("ads", "large", CONTENT, "image/png")

        async def refuse(_size_bytes: int) -> None:
            raise AssertionError("nothing may be reserved")

        assert await reason_of(store.fetch(ref("large"), refuse)) is Reason.CREATIVE_TOO_LARGE

    on_weed(scenario, weed, max_object_bytes=len(CONTENT) - 1)


def test_a_body_that_hides_its_length_is_cut_at_the_limit() -> None:
    async def scenario(store: S3Store) -> None:
        asked: list[int] = []

        async def reserve(size_bytes: int) -> None:
            asked.append(size_bytes)

        assert await reason_of(store.fetch(ref("k"), reserve)) is Reason.CREATIVE_TOO_LARGE
        assert asked == [1000]

    with faulty_store([unmeasured(50 << 20)]) as server:
        on_store(scenario, server.endpoint, max_object_bytes=1000)


@pytest.mark.parametrize(
    "fault",
    [
        refused(503, "SlowDown"), refused(500, "InternalError"), refused(429, "TooManyRequests"),
        refused(400, "RequestTimeout"), refused(403, "RequestTimeTooSkewed"), cut, lying(len(CONTENT)),
    ],
)  # fmt: skip
def test_passing_faults_are_tried_again(fault: Fault) -> None:
    async def scenario(store: S3Store) -> None:
        assert await content_of(store.fetch(ref("k"), free)) == CONTENT

    with faulty_store([fault, fault, whole]) as server:
        on_store(scenario, server.endpoint)
    assert len(server.paths) == 3


@pytest.mark.parametrize(
    "fault",
    [
        refused(503, "SlowDown"), refused(403, "ExpiredToken"), refused(403, "InvalidAccessKeyId"),
        refused(301, "PermanentRedirect"), cut, lying(1 << 20),
    ],
)  # fmt: skip
def test_lasting_faults_are_the_stores(fault: Fault) -> None:
    async def scenario(store: S3Store) -> None:
        with pytest.raises(StorageUnavailable):
            await store.fetch(ref("k"), free)

    with faulty_store([fault]) as server:
        on_store(scenario, server.endpoint)
    assert len(server.paths) == 3


def test_a_body_that_stops_or_drips_ends_in_time() -> None:
    stop = threading.Event()

    async def scenario(store: S3Store) -> None:
        async with asyncio.timeout(10):
            with pytest.raises(StorageUnavailable):
                await store.fetch(ref("k"), free)
        stop.set()

    for fault in (hanging(stop), dripping(stop)):
        stop.clear()
        with faulty_store([fault]) as server:
            on_store(scenario, server.endpoint, read_timeout_seconds=0.2, attempts=2)


def test_a_cancelled_download_leaves_nothing() -> None:
    stop = threading.Event()

    async def scenario(store: S3Store) -> None:
        async def reserved(_size_bytes: int) -> None:
            reading.set()

        reading = asyncio.Event()
        fetching = asyncio.create_task(store.fetch(ref("k"), reserved))
        await reading.wait()
        fetching.cancel()
        async with asyncio.timeout(1):
            with pytest.raises(asyncio.CancelledError):
                await fetching
        stop.set()

    with faulty_store([hanging(stop)]) as server:
        on_store(scenario, server.endpoint)


def test_probe_tells_an_outage_from_an_answer(weed: ObjectStore) -> None:
    async def up(store: S3Store) -> None:
        await store.put("ads", "witness", CONTENT, "image/png")
        assert await store.probe("ads")
        assert await store.probe("ads", "witness")
        assert await store.probe("ads", "gone")
        assert await store.probe("no-such-bucket", None)

    async def down(store: S3Store) -> None:
        assert not await store.probe("ads")

    on_weed(up, weed)
    on_weed(down, weed, secret_key="wrong")
    on_store(down, "http://127.0.0.1:9")
    with faulty_store([refused(503, "SlowDown")]) as server:
        on_store(down, server.endpoint)


_STOPPED_MID_DOWNLOAD = """
import asyncio, sys
from consumer.creatives.store import S3Store
from consumer.settings import StorageSettings
from schemas import CreativeKind, CreativeRef

async def reserve(_size_bytes):
    pass

async def main():
    store = S3Store(StorageSettings(
        endpoint=sys.argv[1], access_key="key", secret_key="secret", buckets=("ads",), read_timeout_seconds=300,
    ))
    await store.start()
    ref = CreativeRef(asset_id="a", kind=CreativeKind.IMAGE, bucket="ads", key="k")
    download = asyncio.create_task(store.fetch(ref, reserve))
    await asyncio.to_thread(sys.stdin.read)
    download.cancel()
    await asyncio.wait([download])
    await store.close()

asyncio.run(main())
"""


def test_a_server_that_never_answers_does_not_hold_up_the_end_of_the_process() -> None:
    asked, stop = threading.Event(), threading.Event()

    def silent(_request: BaseHTTPRequestHandler) -> None:
        asked.set()
        stop.wait()

    with faulty_store([silent]) as server:
        command = [sys.executable, "-c", _STOPPED_MID_DOWNLOAD, server.endpoint]
        with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                assert asked.wait(30)
                _, complaints = process.communicate(timeout=20)
            finally:
                process.kill()
                stop.set()
    assert (process.returncode, complaints) == (0, "")


def test_a_closed_store_blames_no_object() -> None:
    async def scenario(store: S3Store) -> None:
        await store.close()
        await store.close()
        with pytest.raises(AdvetError):
            await store.fetch(ref("k"), free)

    on_store(scenario, "http://127.0.0.1:9")
