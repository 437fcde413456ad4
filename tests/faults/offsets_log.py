"""Decodes records of `__consumer_offsets`: every commit of a group, in order, none left out."""

import struct
from dataclasses import dataclass

TOPIC = "__consumer_offsets"
_OFFSET_COMMIT_KEYS = (0, 1)
_FLEXIBLE_VALUE = 4


@dataclass(frozen=True, slots=True)
class Commit:
    """One committed offset of one partition; `offset` None: it was deleted."""

    group: str
    topic: str
    partition: int
    offset: int | None
    metadata: str = ""


def read_commit(key: bytes | None, value: bytes | None) -> Commit | None:
    """None for records of other kinds (group metadata)."""
    if key is None or struct.unpack_from(">h", key)[0] not in _OFFSET_COMMIT_KEYS:
        return None
    group, at = _text(key, 2)
    topic, at = _text(key, at)
    partition = struct.unpack_from(">i", key, at)[0]
    if value is None:
        return Commit(group, topic, partition, None)
    version, offset = struct.unpack_from(">hq", value)
    at = 10 if version < 3 else 14  # the leader epoch came with version 3
    metadata = _compact_text(value, at) if version >= _FLEXIBLE_VALUE else _text(value, at)[0]
    return Commit(group, topic, partition, offset, metadata)


def _text(data: bytes, at: int) -> tuple[str, int]:
    size = struct.unpack_from(">h", data, at)[0]
    return data[at + 2 : at + 2 + size].decode(), at + 2 + size


def _compact_text(data: bytes, at: int) -> str:
    size, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return data[at : at + size - 1].decode()
