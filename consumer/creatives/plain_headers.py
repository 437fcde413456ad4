"""Header facts of the commonest pictures in their plainest form, without asking a decoder process. Pure.

A look into a decoder costs more than fetching a small picture does. What is read here is structure only, at most
`HEAD_BYTES` and `MAX_PARTS` parts of it; whatever is unusual (EXIF, XMP, animation, a broken part) is None, and the
sandbox looks. The decoder checks the size again when it decodes.
"""

import struct
import zlib

HEAD_BYTES = 8 * 1024
MAX_PARTS = 64
_JPEG_PARTS = frozenset({0xC4, 0xDB, 0xDD, 0xE0, 0xE2, 0xEE, 0xFE})
"""Tables, restart interval, JFIF, colour profile, Adobe, comment: nothing that could turn the picture."""
_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_JPEG_SCAN = 0xDA
_PNG_PARTS = frozenset({b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"bKGD", b"sBIT", b"tIME"})
_PNG_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""Colour type → bits."""


def plain_header(head: bytes, size_bytes: int) -> tuple[str, int, int] | None:
    """Media type, width and height in pixels; `head` is the first `HEAD_BYTES` of a file of `size_bytes`.

    One frame and no rotation are certain then. None: ask the decoder.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(head)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(head)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp(head, size_bytes)
    return None


def _jpeg(head: bytes) -> tuple[str, int, int] | None:
    at, found = 2, None
    for _part in range(MAX_PARTS):
        if at + 4 > len(head) or head[at] != 0xFF:
            return None
        mark, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if mark == _JPEG_SCAN:
            return found
        if length < 2 or at + 2 + length > len(head):
            return None
        if mark in _JPEG_FRAMES:
            found = None if found is not None else _jpeg_frame(head[at + 4 : at + 2 + length])
            if found is None:
                return None
        elif mark not in _JPEG_PARTS:
            return None
        at += 2 + length
    return None


def _jpeg_frame(body: bytes) -> tuple[str, int, int] | None:
    if len(body) < 6:
        return None
    bits, height, width, components = struct.unpack(">BHHB", body[:6])
    if bits != 8 or components not in {1, 3} or len(body) != 6 + 3 * components or not width or not height:
        return None
    return "image/jpeg", width, height


def _png(head: bytes) -> tuple[str, int, int] | None:
    found: tuple[str, int, int] | None = None
    at = 8
    for part in range(MAX_PARTS):
        if at + 12 > len(head):
            return None
        length, name = struct.unpack(">I4s", head[at : at + 8])
        if name == b"IDAT":
            return found
        end = at + 12 + length
        if end > len(head) or zlib.crc32(head[at + 4 : end - 4]) != int.from_bytes(head[end - 4 : end], "big"):
            return None
        if part == 0:
            found = _png_header(name, head[at + 8 : end - 4])
            if found is None:
                return None
        elif name not in _PNG_PARTS:
            return None
        at = end
    return None


def _png_header(name: bytes, body: bytes) -> tuple[str, int, int] | None:
    if name != b"IHDR" or len(body) != 13:
        return None
    width, height, bits, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", body)
    sound = bits in _PNG_DEPTHS.get(colour, ()) and not compression and not filtering and interlace in {0, 1}
    return ("image/png", width, height) if sound and width and height else None


def _webp(head: bytes, size_bytes: int) -> tuple[str, int, int] | None:
    """The simple format: one part, of lossy or lossless data, which ends where the file does."""
    if len(head) < 30:
        return None
    riff_bytes, name, length = struct.unpack("<I4x4sI", head[4:20])
    if 8 + riff_bytes != size_bytes or 20 + length + (length & 1) != size_bytes:
        return None
    if name == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[26:30])
        width, height = width & 0x3FFF, height & 0x3FFF
    elif name == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        return None
    return ("image/webp", width, height) if width and height else None
