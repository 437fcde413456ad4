"""Submissions that cannot be judged, each broken in its own way; `expected.json` says how each must end."""

import hashlib
import json
import struct
import zlib
from dataclasses import replace
from datetime import datetime

from consumer.demo.ads import PICTURES
from consumer.submit import AdCopy, Outgoing, Upload, build_submission
from schemas import Category
from schemas.codec import encode

BOMB_SIDE_PIXELS = 30_000
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>'


def bomb_png() -> bytes:
    """A PNG of black 1-bit pixels, 30,000 on each side: 110 KB that would decode to 900 million pixels."""
    deflate = zlib.compressobj(9)
    row = bytes(1 + BOMB_SIDE_PIXELS // 8)
    pieces = [deflate.compress(row * 1000) for _ in range(BOMB_SIDE_PIXELS // 1000)]
    header = struct.pack(">IIBBBBB", BOMB_SIDE_PIXELS, BOMB_SIDE_PIXELS, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b"".join([*pieces, deflate.flush()])), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def broken_submissions(bucket: str, submitted_at: datetime) -> tuple[Outgoing, ...]:
    """Every broken submission, with its id as key."""
    picture = (PICTURES / "finance-notguaranteed.jpg").read_bytes()

    def ad(name: str, file: str, content: bytes) -> Outgoing:
        copy = AdCopy(Category.GENERAL, title="样例广告")
        return build_submission(name, [(file, content)], copy, bucket=bucket, submitted_at=submitted_at)

    healthy = ad("broken-json", "picture.jpg", picture)
    return (
        ad("broken-truncated-jpeg", "cut.jpg", picture[: len(picture) // 3]),
        ad("broken-bomb", "bomb.png", bomb_png()),
        replace(ad("broken-missing", "gone.jpg", picture), uploads=()),
        _changed(ad("broken-changed", "changed.jpg", picture)),
        replace(healthy, value=healthy.value[: len(healthy.value) // 2], uploads=()),
        _edited(ad("broken-category", "picture.jpg", picture), category="timeshare"),
        ad("broken-svg", "vector.png", SVG),
        _edited_creative(ad("broken-bucket", "picture.jpg", picture), bucket="someone-elses-bucket"),
        _edited_creative(ad("broken-video", "clip.mp4", b"\x00\x00\x00\x18ftypmp42"), kind="video", mime="video/mp4"),
    )


def _changed(outgoing: Outgoing) -> Outgoing:
    """Uploads other bytes than those whose hash the submission pins."""
    uploads = tuple(Upload(u.bucket, u.key, u.content + b"\x00", u.content_type) for u in outgoing.uploads)
    pinned = outgoing.submission.creatives[0].sha256
    if pinned == hashlib.sha256(uploads[0].content).hexdigest():
        raise AssertionError("the content did not change")
    return replace(outgoing, uploads=uploads)


def _edited(outgoing: Outgoing, **fields: object) -> Outgoing:
    event = json.loads(encode(outgoing.submission)) | fields
    return replace(outgoing, value=json.dumps(event, ensure_ascii=False).encode(), uploads=())


def _edited_creative(outgoing: Outgoing, **fields: object) -> Outgoing:
    creative = json.loads(encode(outgoing.submission))["creatives"][0] | fields
    uploads = outgoing.uploads
    return replace(_edited(outgoing, creatives=[creative]), uploads=uploads)
