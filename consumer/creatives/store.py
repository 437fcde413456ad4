"""The object store: the one place that speaks S3, and where botocore's errors end.

`fetch` is the stage between ledger and header gate. boto3 blocks, so every call runs on a bounded thread
pool, and so does the copying into memory files; retries and pauses happen on the event loop. A key is data:
it is never parsed, joined or followed.
"""

import asyncio
import functools
import importlib.metadata
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import boto3
import botocore.config
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from consumer.creatives.daemon_threads import DaemonThreads, ThreadsClosed
from consumer.creatives.download import Download, Reserve, UsualSize, close_unread, refused
from consumer.creatives.store_errors import Refusal, translate
from consumer.errors import PermanentError, StorageUnavailable
from consumer.messages import Blob
from consumer.settings import StorageSettings
from schemas import CreativeRef, Reason, Stage

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
PROBE_KEY = ".advet-probe"


class S3Store:
    """`start`, any number of concurrent calls, `close`."""

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
        self._threads = DaemonThreads(settings.concurrency, "s3")
        self._client: S3Client | None = None
        self._usual = UsualSize()

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

        `reserve` is awaited with the object's bytes, or more, before any of the body is read, with each attempt
        anew: it is told the total, not an addition. Raises PermanentError (`creative_*`), or
        StorageUnavailable once the attempts are used up.
        """
        self._check_name(ref)
        fetching = Download(ref, self._settings, reserve, self._in_thread, self._usual)
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
            raise refused(Reason.CREATIVE_FORBIDDEN, ref, "lies in a bucket that storage.buckets does not list")
        if any(segment in {".", ".."} for segment in ref.key.split("/")):
            what = "has a key with . or .. as a part, which some stores resolve to another bucket"
            raise refused(Reason.CREATIVE_FORBIDDEN, ref, what)
        if not _is_unicode(ref.key):
            raise refused(Reason.CREATIVE_MISSING, ref, "has a key that is not Unicode text, so no store has it")
        pins = (ref.version_id or "") + (ref.etag or "")
        if not (pins.isascii() and pins.isprintable()):
            raise refused(Reason.CREATIVE_MISSING, ref, "has a version_id or etag that no store gives")

    async def probe(self, bucket: str, key: str | None = None) -> bool:
        """Whether the store would serve a download now: it answers, and knows these credentials.

        Asks for one byte of `key`, or of an object that need not exist: "missing" and "forbidden" are answers.
        """
        get = functools.partial(self._ready().get_object, Bucket=bucket, Key=key or PROBE_KEY, Range="bytes=0-0")
        try:
            response = await self._in_thread(get, close_unread)
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

    async def _in_thread(self, call: Callable[[], T], abandoned: Callable[[T | None], None] | None = None) -> T:
        """See `DaemonThreads.run`."""
        try:
            return await self._threads.run(call, abandoned)
        except ThreadsClosed as error:
            raise StorageUnavailable("the store is closed") from error


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
        user_agent=f"advet/{importlib.metadata.version('advet')}",  # botocore's own is put together for each request
    )
    session = botocore.session.Session()
    # nobody reads when an object was written, and working it out would be a tenth of a small download
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    secret = settings.secret_key.get_secret_value() if settings.secret_key is not None else None
    return boto3.session.Session(botocore_session=session).client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=secret,
        config=config,
    )


def _is_unicode(text: str) -> bool:
    """JSON may smuggle in halves of surrogate pairs, which no encoding carries."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
