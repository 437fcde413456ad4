"""What a file is and how many frames it has, from its structure alone: nothing is decompressed here.

Pure and bounded: each function looks at the content once and stops at its limit, whatever the file claims.
Runs in the decoder process, because the bytes are hostile.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from itertools import repeat
from typing import Protocol

EMPTY = "application/x-empty"
UNKNOWN = "application/octet-stream"
HEAD_BYTES = 1024


class Content(Protocol):
    """bytes or a memory map."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...
    def find(self, sub: bytes, start: int = ..., /) -> int: ...


class Damaged(Exception):
    """The structure does not hold together; the message says where."""


_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"II+\0", "image/tiff"),
    (0, b"MM\0+", "image/tiff"),
    (8, b"WEBP", "image/webp"),
    (8, b"AVI ", "video/x-msvideo"),
    (8, b"WAVE", "audio/wav"),
    (0, b"BM", "image/bmp"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x1aE\xdf\xa3", "video/x-matroska"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"\x00\x00\x01\xb3", "video/mpeg"),
    (0, b"OggS", "video/ogg"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (0, b"%!PS", "application/postscript"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (0, b"\x00\x00\x00\x0cjP  ", "image/jp2"),
    (0, b"\xff\x0a", "image/jxl"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"\x7fELF", "application/x-executable"),
)
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
}
_MARKUP = (
    (b"<svg", "image/svg+xml"),
    (b"<!doctype html", "text/html"),
    (b"<html", "text/html"),
    (b"<?xml", "text/xml"),
)


def sniff(content: Content) -> str:
    """The media type by content, never by name; EMPTY or UNKNOWN when there is none to see."""
    if not len(content):
        return EMPTY
    head = bytes(content[0:HEAD_BYTES])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    for offset, magic, content_type in _MAGIC:
        if head.startswith(magic, offset):
            return content_type
    text = head.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").lstrip(b"\xff\xfe \t\r\n").lower()
    if text.startswith(b"<"):
        return next((content_type for mark, content_type in _MARKUP if mark in text), "text/xml")
    return UNKNOWN


def count_frames(content_type: str, content: Content, limit: int) -> int:
    """Frames of an image, counted up to `limit` + 1; raises Damaged before the first frame only."""
    frames = _FRAMES.get(content_type)
    if frames is None:
        return 1
    count = 0
    try:
        for _ in frames(content):
            count += 1
            if count > limit:
                break
    except (Damaged, struct.error):
        if count == 0:
            raise Damaged("it ends before its first frame") from None
    if count == 0:
        raise Damaged("it has no frame")
    return count


def webp_size(content: Content) -> tuple[int, int]:
    """Width and height of a WebP in pixels: libwebp would allocate the canvas to say the same."""
    for name, start, size in _riff_chunks(content):
        body = content[start : start + min(size, 16)]
        if name == b"VP8X" and len(body) >= 10:
            return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
        if name == b"VP8L" and len(body) >= 5:
            bits = int.from_bytes(body[1:5], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        if name == b"VP8 " and len(body) >= 10:
            width, height = struct.unpack("<HH", body[6:10])
            return width & 0x3FFF, height & 0x3FFF
    raise Damaged("it has no picture")


def webp_exif(content: Content) -> bytes:
    """The EXIF block of a WebP, empty if there is none."""
    return next((content[at : at + size] for name, at, size in _riff_chunks(content) if name == b"EXIF"), b"")


def _riff_chunks(content: Content) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack("<4sI", content[at : at + 8])
        yield name, at + 8, size
        at += 8 + size + (size & 1)


def _webp_frames(content: Content) -> Iterator[None]:
    for name, _start, _size in _riff_chunks(content):
        if name in {b"VP8 ", b"VP8L", b"ANMF"}:
            yield


def _png_frames(content: Content) -> Iterator[None]:
    """The animation header says how many; a file without one has one frame.

    Decoders give the picture in IDAT; a browser shows it only if a frame's header stands before it.
    """
    at, animated, shown = 8, 0, False
    while at + 12 <= len(content):
        size, name = struct.unpack(">I4s", content[at : at + 8])
        if name == b"acTL":
            (animated,) = struct.unpack(">I", content[at + 8 : at + 12])
        elif name == b"fcTL":
            shown = True
        elif name == b"IDAT":
            yield from repeat(None, max(1, animated if shown else animated + 1))
            return
        at += 12 + size


def _gif_frames(content: Content) -> Iterator[None]:
    if len(content) < 13:
        raise Damaged("it ends in its header")
    at = 13 + _palette_bytes(content[10:11])
    while at < len(content):
        block = content[at : at + 1]
        if block == b";":
            return
        if block == b",":
            yield
            at = _after_sub_blocks(content, at + 11 + _palette_bytes(content[at + 9 : at + 10]))
        elif block == b"!":
            at = _after_sub_blocks(content, at + 2)
        else:
            at += 1  # decoders skip stray bytes between blocks


def _palette_bytes(flags: bytes) -> int:
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _after_sub_blocks(content: Content, at: int) -> int:
    while at < len(content):
        size = content[at : at + 1][0]
        at += 1 + size
        if size == 0:
            return at
    return at


def _tiff_frames(content: Content) -> Iterator[None]:
    """Directories of the chain; a chain that loops ends at the caller's limit."""
    order = "<" if content[0:1] == b"I" else ">"
    big = content[2:4] in {b"+\0", b"\0+"}
    first, count_format, entry_bytes, offset_format = (8, "Q", 20, "Q") if big else (4, "H", 12, "I")
    offset_bytes, count_bytes = struct.calcsize(offset_format), struct.calcsize("<" + count_format)
    (at,) = struct.unpack(order + offset_format, content[first : first + offset_bytes])
    while at:
        (entries,) = struct.unpack(order + count_format, content[at : at + count_bytes])
        yield
        end = at + count_bytes + entries * entry_bytes
        (at,) = struct.unpack(order + offset_format, content[end : end + offset_bytes])


_FRAMES: Mapping[str, Callable[[Content], Iterator[None]]] = {
    "image/gif": _gif_frames,
    "image/png": _png_frames,
    "image/tiff": _tiff_frames,
    "image/webp": _webp_frames,
}
