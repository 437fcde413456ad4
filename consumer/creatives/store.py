"""The object store: the one place that speaks S3, and where botocore's errors end.

`fetch` is the stage between ledger and header gate. boto3 blocks, so every call runs on a bounded thread
pool, and so does the copying into memory files; retries and pauses happen on the event loop. A key is data:
it is never parsed, joined or followed.
"""

import asyncio
import functools
import hashlib
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import botocore.config
import urllib3.exceptions
from botocore.exceptions import BotoCoreError, ClientError

from consumer.creatives.daemon_threads import DaemonThreads
from consumer.creatives.store_errors import Refusal, translate
from consumer.errors import PermanentError, StorageUnavailable
from consumer.messages import Blob, MemoryFile
from consumer.settings import StorageSettings
from schemas import CreativeRef, Reason, Stage

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")
Reserve = Callable[[int], Awaitable[None]]

PIECE_BYTES = 256 * 1024
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
BODY_TIMEOUTS = 4
"""A body may take this many read timeouts in all: a server that drips bytes never lets one of them pass."""
PROBE_KEY = ".advet-probe"


class S3Store:
    """`start`, any number of concurrent calls, `close`."""

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
        self._threads = DaemonThreads(settings.concurrency, "s3")
        self._client: S3Client | None = None

    async def start(self) -> None:
        """Prepares the client; talks to nobody."""
        self._client = await self._in_thread(functools.partial(_make_client, self._settings))

    async def close(self) -> None:
        """Drops connections; idempotent. Downloads under way end within their read timeout, or with the process."""
        self._threads.close()
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def fetch(self, ref: CreativeRef, reserve: Reserve) -> Blob:
        """Downloads one creative and proves that it is the one the submission names. The caller closes it.

        `reserve` is awaited with the object's bytes before any of the body is read, with each attempt anew: it
        is told the total, not an addition. Raises PermanentError (`creative_*`), or
        StorageUnavailable once the attempts are used up.
        """
        self._check_name(ref)
        fetching = _Fetch(ref, self._settings, reserve, self._in_thread)
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return await fetching.attempt(self._ready())
            except StorageUnavailable:
                if attempt == self._settings.attempts:
                    raise
            await asyncio.sleep(pause_seconds(attempt))
        raise AssertionError("the last attempt returns or raises")

    def _check_name(self, ref: CreativeRef) -> None:
        """Refuses what could lead out of the allowed buckets, before any request."""
        if ref.bucket not in self._settings.buckets:
            raise _refused(Reason.CREATIVE_FORBIDDEN, ref, "lies in a bucket that storage.buckets does not list")
        if any(segment in {".", ".."} for segment in ref.key.split("/")):
            what = "has a key with . or .. as a part, which some stores resolve to another bucket"
            raise _refused(Reason.CREATIVE_FORBIDDEN, ref, what)
        if not _is_unicode(ref.key):
            raise _refused(Reason.CREATIVE_MISSING, ref, "has a key that is not Unicode text, so no store has it")
        pins = (ref.version_id or "") + (ref.etag or "")
        if not (pins.isascii() and pins.isprintable()):
            raise _refused(Reason.CREATIVE_MISSING, ref, "has a version_id or etag that no store gives")

    async def probe(self, bucket: str, key: str | None = None) -> bool:
        """Whether the store would serve a download now: it answers, and knows these credentials.

        Asks for one byte of `key`, or of an object that need not exist: "missing" and "forbidden" are answers.
        """
        get = functools.partial(self._ready().get_object, Bucket=bucket, Key=key or PROBE_KEY, Range="bytes=0-0")
        try:
            response = await self._in_thread(get, _close_response)
        except (ClientError, BotoCoreError) as error:
            return isinstance(translate(error), Refusal)
        response["Body"].close()
        return True

    async def put(self, bucket: str, key: str, content: bytes, content_type: str) -> None:
        """Uploads one object; raises StorageUnavailable, or PermanentError when the store refuses."""
        upload = functools.partial(
            self._ready().put_object, Bucket=bucket, Key=key, Body=content, ContentType=content_type
        )
        for attempt in range(1, self._settings.attempts + 1):
            try:
                await self._in_thread(upload)
            except (ClientError, BotoCoreError) as error:
                outcome = translate(error)
                if isinstance(outcome, Refusal):
                    message = f"the store refused to keep {key!r} in {bucket!r}: {outcome.what}"
                    raise PermanentError(outcome.reason, Stage.FETCH, message) from error
                if attempt == self._settings.attempts:
                    raise outcome from error
            else:
                return
            await asyncio.sleep(pause_seconds(attempt))

    def _ready(self) -> "S3Client":
        if self._client is None:
            raise StorageUnavailable("the store is closed")
        return self._client

    async def _in_thread(self, call: Callable[[], T], on_abandoned: Callable[[Future[T]], None] | None = None) -> T:
        """Runs a blocking call on the pool. A caller that is cancelled does not wait for it: `on_abandoned`
        then cleans up once the call has ended.
        """
        try:
            future = self._threads.submit(call)
        except RuntimeError as error:
            raise StorageUnavailable("the store is closed") from error
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            future.cancel()
            if on_abandoned is not None:
                future.add_done_callback(on_abandoned)
            raise


class _Fetch:
    """One creative's download over all its attempts."""

    def __init__(
        self,
        ref: CreativeRef,
        settings: StorageSettings,
        reserve: Reserve,
        in_thread: Callable[..., Awaitable[Any]],
    ) -> None:
        self._ref = ref
        self._settings = settings
        self._reserve = reserve
        self._in_thread = in_thread

    async def attempt(self, client: "S3Client") -> Blob:
        """One try; raises StorageUnavailable when another may succeed."""
        pins = {"VersionId": self._ref.version_id} if self._ref.version_id is not None else {}
        if self._ref.etag is not None:
            pins["IfMatch"] = f'"{_bare(self._ref.etag)}"'
        get = functools.partial(client.get_object, Bucket=self._ref.bucket, Key=self._ref.key, **pins)  # type: ignore[arg-type]
        try:
            response = await self._in_thread(get, _close_response)
            try:
                await self._check_head(response)
            except BaseException:
                response["Body"].close()
                raise
            return await self._read(response["Body"], response.get("ContentLength"))
        except (ClientError, BotoCoreError) as error:
            outcome = translate(error)
            if isinstance(outcome, Refusal):
                raise _refused(outcome.reason, self._ref, outcome.what) from error
            raise outcome from error

    async def _check_head(self, response: Any) -> None:
        """Everything that can be known before the body, and the reservation of its bytes."""
        ref, length = self._ref, response.get("ContentLength")
        if length is not None and length > self._settings.max_object_bytes:
            limit = self._settings.max_object_bytes
            raise _refused(Reason.CREATIVE_TOO_LARGE, ref, f"has {length:,} bytes, more than {limit:,}")
        if ref.size is not None and length is not None and length != ref.size:
            raise _changed(ref, f"has {length:,} bytes, not {ref.size:,}")
        if ref.etag is not None and _bare(response.get("ETag", "")) != _bare(ref.etag):
            raise _changed(ref, "has another ETag")
        if ref.version_id is not None and ref.sha256 is None and response.get("VersionId") != ref.version_id:
            raise _changed(ref, "came without proof of its version; pin its sha256 instead")
        wanted = self._settings.max_object_bytes if length is None else length
        await self._reserve(wanted)

    async def _read(self, body: Any, length: int | None) -> Blob:
        """The body, checked."""

        def abandoned(done: "Future[Blob]") -> None:
            body.close()
            if not done.cancelled() and done.exception() is None:
                done.result().content.close()

        blob: Blob = await self._in_thread(functools.partial(self._copy, body, length), abandoned)
        return blob

    def _copy(self, body: Any, length: int | None) -> Blob:
        """Runs on the thread as a whole: under load the event loop would wait for its turn after every write."""
        content = MemoryFile.create("creative")
        try:
            sha256 = self._stream(body, content)
            self._check_body(content.size_bytes, length, sha256)
        except BaseException:
            content.close()
            raise
        finally:
            body.close()
        return Blob(self._ref.asset_id, content, sha256)

    def _stream(self, body: Any, content: MemoryFile) -> str:
        """Copies the body, no more than allowed whatever its head said; returns its sha256."""
        digest = hashlib.sha256()
        deadline = time.monotonic() + BODY_TIMEOUTS * self._settings.read_timeout_seconds
        while piece := _read_piece(body, deadline):
            if content.size_bytes + len(piece) > self._settings.max_object_bytes:
                limit = self._settings.max_object_bytes
                raise _refused(Reason.CREATIVE_TOO_LARGE, self._ref, f"has more than {limit:,} bytes")
            content.append(piece)
            digest.update(piece)
        return digest.hexdigest()

    def _check_body(self, size_bytes: int, length: int | None, sha256: str) -> None:
        ref = self._ref
        if length is not None and size_bytes < length:
            raise StorageUnavailable(f"the body ended after {size_bytes:,} of {length:,} bytes")
        if ref.size is not None and size_bytes != ref.size:
            raise _changed(ref, f"has {size_bytes:,} bytes, not {ref.size:,}")
        if ref.sha256 is not None and sha256 != ref.sha256:
            raise _changed(ref, "has another sha256")


def pause_seconds(attempt: int) -> float:
    """Full jitter: anything from nothing to a ceiling that doubles with each attempt (counted from 1)."""
    return random.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311 - no secret


def _make_client(settings: StorageSettings) -> "S3Client":
    config = botocore.config.Config(
        connect_timeout=settings.connect_timeout_seconds,
        read_timeout=settings.read_timeout_seconds,
        max_pool_connections=settings.concurrency,
        retries={"total_max_attempts": 1},  # retries are ours: they must not hold a thread while they wait
        s3={"addressing_style": "path" if settings.endpoint else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    secret = settings.secret_key.get_secret_value() if settings.secret_key is not None else None
    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=secret,
        config=config,
    )


def _read_piece(body: Any, deadline: float) -> bytes:
    """What has arrived, empty at the end; looks at the clock after every packet."""
    if time.monotonic() > deadline:
        raise StorageUnavailable("the body came too slowly")
    # StreamingBody.read waits for the whole amount, so a dripping server would hold the thread for hours
    try:
        piece: bytes = body._raw_stream.read1(PIECE_BYTES)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise StorageUnavailable(f"the body broke off: {type(error).__name__}") from error
    return piece


def _close_response(done: "Future[Any]") -> None:
    if not done.cancelled() and done.exception() is None:
        done.result()["Body"].close()


def _is_unicode(text: str) -> bool:
    """JSON may smuggle in halves of surrogate pairs, which no encoding carries."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _bare(etag: str) -> str:
    return etag.strip().strip('"')


def _refused(reason: Reason, ref: CreativeRef, what: str) -> PermanentError:
    return PermanentError(reason, Stage.FETCH, f"creative {ref.asset_id} {what}")


def _changed(ref: CreativeRef, what: str) -> PermanentError:
    return _refused(Reason.CREATIVE_CHANGED, ref, f"is not the object that was submitted: it {what}")
