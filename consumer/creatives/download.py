"""One creative's download: what is checked of its head and of its body, and when its bytes are reserved.

Objects are mostly of a size: so many bytes are reserved before the request, and an object that has no more is read in
the same call as its head. Others are reserved once their head is known.
"""

import functools
import hashlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import urllib3.exceptions
from botocore.exceptions import BotoCoreError, ClientError

from consumer.creatives.store_errors import Refusal, translate
from consumer.errors import PermanentError, StorageUnavailable
from consumer.messages import Blob, MemoryFile
from consumer.settings import StorageSettings
from schemas import CreativeRef, Reason, Stage

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Reserve = Callable[[int], Awaitable[None]]

PIECE_BYTES = 256 * 1024
BODY_TIMEOUTS = 4
"""A body may take this many read timeouts in all: a server that drips bytes never lets one of them pass."""
LATEST = 16
MOST_AHEAD_BYTES = 1024 * 1024


class UsualSize:
    """What an object will hardly exceed, by those that came last; 0 as long as nothing is known."""

    def __init__(self) -> None:
        self._latest: deque[int] = deque(maxlen=LATEST)
        self.bytes = 0

    def note(self, size_bytes: int) -> None:
        """One more object."""
        self._latest.append(size_bytes)
        if len(self._latest) == LATEST:
            self.bytes = max(self._latest)


class Download:
    """One creative's download over all its attempts."""

    def __init__(
        self,
        ref: CreativeRef,
        settings: StorageSettings,
        reserve: Reserve,
        in_thread: Callable[..., Awaitable[Any]],
        usual: UsualSize,
    ) -> None:
        self._ref = ref
        self._settings = settings
        self._reserve = reserve
        self._in_thread = in_thread
        self._usual = usual

    async def attempt(self, client: "S3Client") -> Blob:
        """One try; raises StorageUnavailable when another may succeed."""
        pins = {"VersionId": self._ref.version_id} if self._ref.version_id is not None else {}
        if self._ref.etag is not None:
            pins["IfMatch"] = f'"{_bare(self._ref.etag)}"'
        get = functools.partial(client.get_object, Bucket=self._ref.bucket, Key=self._ref.key, **pins)  # type: ignore[arg-type]
        ahead_bytes = self._usual.bytes if self._ref.size is None else self._ref.size
        if ahead_bytes > MOST_AHEAD_BYTES:
            ahead_bytes = 0
        if ahead_bytes:
            await self._reserve(ahead_bytes)
        try:
            got = await self._in_thread(functools.partial(self._get, get, ahead_bytes), _abandoned)
            blob: Blob = got if isinstance(got, Blob) else await self._rest(got)
        except (ClientError, BotoCoreError) as error:
            outcome = translate(error)
            if isinstance(outcome, Refusal):
                raise refused(outcome.reason, self._ref, outcome.what) from error
            raise outcome from error
        self._usual.note(blob.content.size_bytes)
        return blob

    def _get(self, get: Callable[[], Any], ahead_bytes: int) -> Any:
        """The object, if it has no more bytes than that; else the response, its head checked and its body unread."""
        response = get()
        try:
            self._check_head(response)
            length = response.get("ContentLength")
            if length is None or length > ahead_bytes:
                return response
        except BaseException:
            response["Body"].close()
            raise
        return self._copy(response["Body"], length)

    async def _rest(self, response: Any) -> Blob:
        body, length = response["Body"], response.get("ContentLength")

        def abandoned(copied: Blob | None) -> None:
            body.close()
            _abandoned(copied)

        try:
            await self._reserve(self._settings.max_object_bytes if length is None else length)
        except BaseException:
            body.close()
            raise
        blob: Blob = await self._in_thread(functools.partial(self._copy, body, length), abandoned)
        return blob

    def _check_head(self, response: Any) -> None:
        """Everything that can be known before the body."""
        ref, length = self._ref, response.get("ContentLength")
        if length is not None and length > self._settings.max_object_bytes:
            limit = self._settings.max_object_bytes
            raise refused(Reason.CREATIVE_TOO_LARGE, ref, f"has {length:,} bytes, more than {limit:,}")
        if ref.size is not None and length is not None and length != ref.size:
            raise _changed(ref, f"has {length:,} bytes, not {ref.size:,}")
        if ref.etag is not None and _bare(response.get("ETag", "")) != _bare(ref.etag):
            raise _changed(ref, "has another ETag")
        if ref.version_id is not None and ref.sha256 is None and response.get("VersionId") != ref.version_id:
            raise _changed(ref, "came without proof of its version; pin its sha256 instead")

    def _copy(self, body: Any, length: int | None) -> Blob:
        """Runs on the thread as a whole: under load the event loop would wait for its turn after every write."""
        content = MemoryFile("creative")
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
                raise refused(Reason.CREATIVE_TOO_LARGE, self._ref, f"has more than {limit:,} bytes")
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


def close_unread(response: Any) -> None:
    """What becomes of a response, if there is one, that nobody waits for any more."""
    if response is not None:
        response["Body"].close()


def _abandoned(got: Any) -> None:
    if isinstance(got, Blob):
        got.content.close()
    else:
        close_unread(got)


def _bare(etag: str) -> str:
    return etag.strip().strip('"')


def refused(reason: Reason, ref: CreativeRef, what: str) -> PermanentError:
    """The end of a creative that the store does not give, or that is not what the submission says."""
    return PermanentError(reason, Stage.FETCH, f"creative {ref.asset_id} {what}")


def _changed(ref: CreativeRef, what: str) -> PermanentError:
    return refused(Reason.CREATIVE_CHANGED, ref, f"is not the object that was submitted: it {what}")
