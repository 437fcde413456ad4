"""What the stages hand to each other: frozen values, no behaviour beyond their own data.

RawRecord → Incoming → (Blob → HeaderFacts → Picture) → engine.Prepared → engine.Findings → Terminal
"""

import mmap
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from consumer.values import value
from schemas import AdSubmission, RecordOrigin

_YEAR_10000_MS = 253_402_300_800_000
KEPT_BYTES = 1024 * 1024
"""Of a memory file's content, that may lie on the heap."""
Headers = tuple[tuple[str, bytes | None], ...]


def record_bytes(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Bytes of a record's key, value and headers."""
    size_bytes = len(key or b"") + len(value or b"")
    for name, content in headers:  # a generator would cost twice as much, with every record
        size_bytes += len(name) + len(content or b"")
    return size_bytes


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A partition of an input topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Holding:
    """A partition that this consumer owns."""

    partition: Partition
    paused: tuple[str, ...]
    """Why nothing is read of it now; empty while it is read."""


@value(eq=False)
class RawRecord:
    """A record as Kafka gave it: nothing parsed, nothing trusted. Two reads of one offset are two records."""

    partition: Partition
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def size_bytes(self) -> int:
        """Bytes the record holds in this process."""
        return record_bytes(self.key, self.value, self.headers)

    @property
    def origin(self) -> RecordOrigin:
        """The record's coordinates as they appear on the wire."""
        return RecordOrigin(topic=self.partition.topic, partition=self.partition.number, offset=self.offset)

    @property
    def recorded_at(self) -> datetime | None:
        """The record's Kafka timestamp; None where a producer wrote none, or one that is no time."""
        if not 0 <= self.timestamp_ms < _YEAR_10000_MS:
            return None
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)


@value()
class Incoming:
    """A record whose value is a valid submission."""

    record: RawRecord
    submission: AdSubmission
    event_sha256: str
    """Hash of the event's data bytes."""
    traceparent: str | None


class MemoryFile:
    """Bytes that other processes are given as a file descriptor of anonymous shared memory.

    It has no name, so nothing is left behind however a process dies. Small content lies on the heap until the
    descriptor is asked for: not all of it goes to another process. `close` frees this process's hold.
    """

    __slots__ = ("_fd", "_kept", "_label", "size_bytes")

    def __init__(self, label: str) -> None:
        """Empty. `label` shows in /proc only."""
        self._label = label
        self._fd = -1
        self._kept: list[bytes] | None = []
        """All content, as long as there is no descriptor; None once closed."""
        self.size_bytes = 0

    @classmethod
    def zeros(cls, label: str, size_bytes: int) -> Self:
        """For a worker to write into."""
        file = cls(label)
        os.ftruncate(file.fd, size_bytes)
        file.size_bytes = size_bytes
        return file

    @classmethod
    def of(cls, label: str, content: bytes) -> Self:
        """Holds `content`."""
        file = cls(label)
        file.append(content)
        return file

    @property
    def fd(self) -> int:
        """The descriptor, to hand to a worker; raises ValueError once closed."""
        if self._kept is None:
            raise ValueError("memory file is closed")
        if self._fd < 0:
            self._fd = os.memfd_create(self._label, os.MFD_CLOEXEC)
            self._write(b"".join(self._kept), 0)
            self._kept = []
        return self._fd

    def append(self, chunk: bytes) -> None:
        """Writes at the end; used while streaming a download."""
        if self._kept is not None and self._fd < 0 and self.size_bytes + len(chunk) <= KEPT_BYTES:
            self._kept.append(chunk)
        else:
            self._write(chunk, self.size_bytes)
        self.size_bytes += len(chunk)

    def _write(self, content: bytes, at: int) -> None:
        view = memoryview(content)
        while view:
            written = os.pwrite(self.fd, view, at)
            at += written
            view = view[written:]

    def map(self) -> mmap.mmap:
        """A read-only view of the content, without copying; the caller closes it."""
        return mmap.mmap(self.fd, self.size_bytes, prot=mmap.PROT_READ)

    def read(self) -> bytes:
        """A copy of the content."""
        return self.head(self.size_bytes)

    def head(self, size_bytes: int) -> bytes:
        """A copy of the first bytes."""
        if self._kept and self._fd < 0:
            first = self._kept[0]
            return (first if len(first) >= size_bytes else b"".join(self._kept))[:size_bytes]
        return os.pread(self.fd, size_bytes, 0)

    def close(self) -> None:
        """Idempotent."""
        self._kept = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@value()
class Blob:
    """A creative's bytes as the store gave them, checked against what the submission pinned."""

    asset_id: str
    content: MemoryFile
    sha256: str


@value()
class HeaderFacts:
    """What a creative's header says, before anything is decoded."""

    asset_id: str
    content_type: str
    size_bytes: int
    width: int
    """Pixels, after EXIF rotation."""
    height: int
    frames: int

    @property
    def pixels(self) -> int:
        """Pixels of one frame."""
        return self.width * self.height


@value()
class Picture:
    """A decoded creative: 8-bit RGB, rows top to bottom, `height * width * 3` bytes in `pixels`.

    None of them when the engine's `Price` says that it needs no pixels.
    """

    asset_id: str
    sha256: str
    width: int
    height: int
    pixels: MemoryFile
    frames: int = 1
    """Of the creative; `pixels` is the first, which is all that is judged."""


@value()
class OcrLine:
    """One line of text that OCR read. `box` is x0, y0, x1, y1 as fractions of the picture."""

    asset_id: str
    text: str
    confidence: float
    box: tuple[float, float, float, float]


@value()
class Terminal:
    """The one output record of one input record, ready to publish."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    beside: tuple["Terminal", ...] = ()
    """Records about it that are published with it: in the same transaction, where there are transactions."""

    @property
    def size_bytes(self) -> int:
        """Bytes of key, value and headers."""
        return record_bytes(self.key, self.value, self.headers)


@dataclass(frozen=True, slots=True)
class CapacityReport:
    """What an engine's device can take, for the topic of consumers; the three prices add up to one ad's peak."""

    device: str
    total_bytes: int
    free_bytes: int
    """What could be promised to one more ad now."""
    fixed_bytes: float
    visual_token_bytes: float
    """For each visual token of the ad."""
    text_token_bytes: float
    ad_seconds: float | None = None
    """Mean measured device time of an ad."""
