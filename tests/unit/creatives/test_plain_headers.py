"""A header that is read without a decoder says what the decoder says, or nothing."""

import io
import random
from typing import Any

import pytest
from PIL import Image

from consumer.creatives import decode_worker
from consumer.creatives.plain_headers import HEAD_BYTES, plain_header
from consumer.messages import MemoryFile

SIZE = (37, 21)
PLAIN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg": ("RGB", "JPEG", {}),
    "progressive": ("RGB", "JPEG", {"progressive": True}),
    "grey jpeg": ("L", "JPEG", {"comment": b"made by hand"}),
    "profile": ("RGB", "JPEG", {"icc_profile": b"\0" * 3000}),
    "png": ("RGB", "PNG", {}),
    "palette": ("P", "PNG", {"transparency": 3}),
    "alpha": ("RGBA", "PNG", {"dpi": (72, 72)}),
    "16-bit": ("I;16", "PNG", {}),
    "webp": ("RGB", "WEBP", {"quality": 60}),
    "lossless": ("RGB", "WEBP", {"lossless": True}),
}


def picture(mode: str, form: str, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    Image.new(mode, SIZE, 3 if mode == "P" else None).save(file, form, **options)
    return file.getvalue()


def seen(content: bytes) -> tuple[str, int, int] | None:
    return plain_header(content[:HEAD_BYTES], len(content))


def inspected(content: bytes) -> dict[str, object]:
    """What the decoder process answers."""
    file = MemoryFile.of("picture", content)
    try:
        return decode_worker.answer({"op": "inspect", "max_frames": 10}, [file.fd], 10**8)
    finally:
        file.close()


@pytest.mark.parametrize("name", PLAIN)
def test_plain_pictures_are_read(name: str):
    content = picture(*PLAIN[name])
    found = seen(content)
    assert found is not None
    assert found[1:] == SIZE
    assert inspected(content) == {"content_type": found[0], "width": SIZE[0], "height": SIZE[1], "frames": 1}


def exif() -> Image.Exif:
    turned = Image.Exif()
    turned[274] = 6
    return turned


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_what_could_turn_the_picture_is_left_to_the_decoder(form: str):
    content = picture("RGB", form, {"exif": exif()})
    assert seen(content) is None
    assert inspected(content)["width"] == SIZE[1]


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_animations_are_left_to_the_decoder(form: str):
    file = io.BytesIO()
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "blue", "green")]
    frames[0].save(file, form, save_all=True, append_images=frames[1:])
    assert seen(file.getvalue()) is None


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBP", b"<svg", b"BM" * 40])
def test_stumps_are_left_to_the_decoder(content: bytes):
    assert seen(content) is None


@pytest.mark.parametrize("name", PLAIN)
def test_a_damaged_header_is_read_as_the_decoder_reads_it_or_not_at_all(name: str):
    """Every byte of the header, changed in turn: a size that is given is the decoder's, where it gives one."""
    whole = picture(*PLAIN[name])
    chance = random.Random(name)
    given = 0
    for at in range(min(len(whole), 400)):
        content = bytearray(whole)
        content[at] ^= 1 << chance.randrange(8)
        found = seen(bytes(content))
        facts = inspected(bytes(content))
        if found is not None and "reason" not in facts:
            given += 1
            assert {"content_type": found[0], "width": found[1], "height": found[2], "frames": 1} == facts, at
    assert given


def test_a_file_of_countless_parts_is_left_to_the_decoder():
    """Else a hostile file could hold the event loop."""
    assert seen(b"\xff\xd8" + b"\xff\xfe\0\2" * 4000 + b"\xff\xda") is None
