"""Handing in an ad: files into the object store, the event onto the submissions topic.

Stands before the stream: `build_submission` makes the event and what to upload (pure), `submit` sends both,
uploads first, so that no consumer can meet an event whose pictures are not there yet.
"""

import asyncio
import hashlib
import mimetypes
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consumer.creatives.store import S3Store
from consumer.kafka.writer import EventWriter
from consumer.settings import Settings
from schemas import AdSubmission, Category, CreativeKind, CreativeRef, Media
from schemas.cloudevents import SUBMISSION_TYPE, event_headers
from schemas.codec import SubmissionMalformed, encode, parse_submission
from schemas.submission import AdText, Advertiser, Placement

SOURCE = "urn:advet:submit"
DEFAULT_ADVERTISER = "advet-submit"
UPLOADS_AT_ONCE = 8
Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class AdCopy:
    """What a submission says beside its files."""

    category: Category
    title: str | None = None
    body: str | None = None
    approval_number: str | None = None
    advertiser_id: str = DEFAULT_ADVERTISER
    media: Media = Media.INTERNET


@dataclass(frozen=True, slots=True)
class Upload:
    """One object to put before the event is sent."""

    bucket: str
    key: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event as it goes onto the topic. `submission` is what it was made from; `value` may differ on purpose."""

    submission: AdSubmission
    key: bytes
    value: bytes
    headers: Headers
    uploads: tuple[Upload, ...]


def new_submission_id() -> str:
    """A fresh id that sorts by nothing and collides with nothing."""
    return f"ad-{uuid.uuid4()}"


def build_submission(
    submission_id: str,
    files: Sequence[tuple[str, bytes]],
    copy: AdCopy,
    *,
    bucket: str,
    submitted_at: datetime | None = None,
) -> Outgoing:
    """The event of an ad and its uploads; `files` are (name, content). Pins size and sha256 of every file.

    Raises pydantic.ValidationError when there is neither text nor file.
    """
    uploads = tuple(
        Upload(bucket, f"{submission_id}/{number:02d}-{name}", content, _content_type(name))
        for number, (name, content) in enumerate(files, start=1)
    )
    submission = AdSubmission(
        submission_id=submission_id,
        revision=1,
        advertiser=Advertiser(id=copy.advertiser_id),
        category=copy.category,
        text=AdText(title=copy.title, body=copy.body),
        creatives=tuple(_reference(number, upload) for number, upload in enumerate(uploads, start=1)),
        approval_number=copy.approval_number,
        placement=Placement(media=copy.media),
        submitted_at=submitted_at or datetime.now(UTC),
    )
    return _outgoing(submission, encode(submission), uploads)


def outgoing_event(value: bytes) -> tuple[bytes | None, bytes, Headers]:
    """Key, value and headers for an event that is sent to the byte as it is, valid or not.

    An event whose submission id cannot be read gets no key and plain JSON headers.
    """
    try:
        submission = parse_submission(value)
    except SubmissionMalformed:
        return None, value, (("content-type", b"application/json"),)
    sent = _outgoing(submission, value, ())
    return sent.key, value, sent.headers


def _outgoing(submission: AdSubmission, value: bytes, uploads: tuple[Upload, ...]) -> Outgoing:
    headers = event_headers(
        SUBMISSION_TYPE, SOURCE, str(uuid.uuid4()), submission.submitted_at, submission.submission_id
    )
    return Outgoing(submission, submission.submission_id.encode(), value, headers, uploads)


def _reference(number: int, upload: Upload) -> CreativeRef:
    kind = CreativeKind.VIDEO if upload.content_type.startswith("video/") else CreativeKind.IMAGE
    return CreativeRef(
        asset_id=f"image-{number}" if kind is CreativeKind.IMAGE else f"video-{number}",
        kind=kind,
        bucket=upload.bucket,
        key=upload.key,
        sha256=hashlib.sha256(upload.content).hexdigest(),
        size=len(upload.content),
        mime=upload.content_type,
    )


def _content_type(name: str) -> str:
    guessed, _encoding = mimetypes.guess_type(name)
    return "image/webp" if name.lower().endswith(".webp") else guessed or "application/octet-stream"


async def submit(
    settings: Settings, ads: Sequence[Outgoing], on_sent: Callable[[Outgoing], None] | None = None
) -> None:
    """Uploads and sends every ad; `on_sent` is called as each is acknowledged by the broker.

    Raises StorageUnavailable or PermanentError (store), StreamBroken (broker).
    """
    store = S3Store(settings.storage)
    await store.start()
    try:
        async with EventWriter(settings.kafka) as writer:
            places = asyncio.Semaphore(UPLOADS_AT_ONCE)

            async def hand_in(ad: Outgoing) -> None:
                async with places:
                    for upload in ad.uploads:
                        await store.put(upload.bucket, upload.key, upload.content, upload.content_type)
                    await writer.send(settings.topics.submissions, ad.key, ad.value, ad.headers)
                if on_sent is not None:
                    on_sent(ad)

            tasks = [asyncio.create_task(hand_in(ad)) for ad in ads]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await store.close()


async def submit_event(settings: Settings, value: bytes) -> bytes | None:
    """Sends an event's exact bytes; returns the key it was sent with. Raises StreamBroken."""
    key, value, headers = outgoing_event(value)
    async with EventWriter(settings.kafka) as writer:
        await writer.send(settings.topics.submissions, key, value, headers)
    return key
