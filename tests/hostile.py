"""Hostile and odd creatives, made on the spot: what each is, and what must become of it.

`hostile_images()` gives the bytes and the reason each must be refused with; `odd_but_valid_images()` the bytes, the
size and pixels it must decode to; `damaged_images(seed)` files that may do either, but nothing else.
"""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageDraw

from schemas import Reason

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="9"/></svg>'
FORMATS = ("JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP")


@dataclass(frozen=True, slots=True)
class OddImage:
    """A valid image; `colours` maps x, y to what must be there, each channel within `tolerance`."""

    content: bytes
    size: tuple[int, int]
    colours: dict[tuple[int, int], tuple[int, int, int]]
    tolerance: int = 0
    frames: int = 1


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    """The image as a file."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def quarters(mode: str = "RGB", size: tuple[int, int] = (64, 32)) -> Image.Image:
    """Red, green (top), blue, white (bottom): shows every turn and flip."""
    image = Image.new("RGB", size)
    middle_x, middle_y = size[0] // 2, size[1] // 2
    draw = ImageDraw.Draw(image)
    for (left, top), colour in {
        (0, 0): RED, (middle_x, 0): GREEN, (0, middle_y): BLUE, (middle_x, middle_y): WHITE,
    }.items():  # fmt: skip
        draw.rectangle((left, top, left + middle_x - 1, top + middle_y - 1), fill=colour)
    return image.convert(mode)


def corner_colours(width: int = 64, height: int = 32) -> dict[tuple[int, int], tuple[int, int, int]]:
    """What `quarters` shows near its four corners."""
    return {(2, 2): RED, (width - 3, 2): GREEN, (2, height - 3): BLUE, (width - 3, height - 3): WHITE}


def png(
    width: int, height: int, *chunks: tuple[bytes, bytes], idat: bytes = b"", bits: int = 8, colour: int = 2
) -> bytes:
    """A PNG with any header and any chunks before its data."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", idat), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in parts)


def gif(frames: int, size: tuple[int, int] = (1, 1), screen: tuple[int, int] | None = None) -> bytes:
    """A GIF of black frames; `screen` lets its header lie about the size."""
    head = b"GIF89a" + struct.pack("<HH", *(screen or size)) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\x04\0\x0a\0\0\0" + b"\x2c\0\0\0\0" + struct.pack("<HH", *size) + b"\0" + b"\x02\x02\x44\x01\0"
    return head + frame * frames + b";"


def _webp(name: bytes, body: bytes) -> bytes:
    return b"RIFF\x40\0\0\0WEBP" + name + struct.pack("<I", len(body)) + body


def _png_bomb() -> bytes:
    rows = zlib.compressobj(9)
    row = b"\0" + bytes(30_000 * 3)
    return png(30_000, 30_000, idat=b"".join(rows.compress(row) for _ in range(200)) + rows.flush())


def _icc_bomb() -> bytes:
    return png(8, 8, (b"iCCP", b"x\0\0" + zlib.compress(bytes(64 << 20), 9)), idat=zlib.compress(bytes(8 * 25)))


def _text_bomb() -> bytes:
    body = b"comment\0\0" + zlib.compress(bytes(64 << 20), 9)
    return png(8, 8, *[(b"zTXt", body)] * 20, idat=zlib.compress(bytes(8 * 25)))


def _looping_tiff() -> bytes:
    content = bytearray(encoded(quarters(), "TIFF"))
    (first,) = struct.unpack("<I", content[4:8])
    (entries,) = struct.unpack("<H", content[first : first + 2])
    struct.pack_into("<I", content, first + 2 + 12 * entries, first)
    return bytes(content)


def _whole(file_format: str) -> bytes:
    noise = Image.frombytes("RGB", (160, 120), random.Random(7).randbytes(160 * 120 * 3))
    return encoded(noise, file_format)


def hostile_images() -> dict[str, tuple[bytes, Reason]]:
    """Name → bytes and the reason that default settings must refuse them with."""
    too_large, unsupported, undecodable = (
        Reason.CREATIVE_TOO_LARGE, Reason.CREATIVE_UNSUPPORTED, Reason.CREATIVE_UNDECODABLE,
    )  # fmt: skip
    canvas = b"\0\0\0\0\xff\x3f\0\xff\x3f\0"  # 16,384 × 16,384
    images = {
        "png-bomb.png": (_png_bomb(), too_large),
        "gif-bomb.gif": (gif(1, (60_000, 60_000)), too_large),
        "gif-frame-larger-than-screen.gif": (gif(1, (60_000, 60_000), screen=(10, 10)), too_large),
        "webp-no-picture.webp": (_webp(b"VP8X", canvas), undecodable),
        "webp-bomb.webp": (_webp(b"VP8X", canvas) + _webp(b"VP8L", b"\x2f\xff\xff\xff\x0f\0")[12:], too_large),
        "gif-10000-frames.gif": (gif(10_000), too_large),
        "apng-claims-frames.png": (
            png(1, 1, (b"acTL", struct.pack(">II", 2**31, 0)), idat=zlib.compress(bytes(4))), too_large,
        ),
        "tiff-loop.tiff": (_looping_tiff(), too_large),
        "wide.png": (png(30_000, 1, idat=zlib.compress(bytes(90_001))), too_large),
        "tall.png": (png(1, 30_000, idat=zlib.compress(bytes(4 * 30_000))), too_large),
        "icc-bomb.png": (_icc_bomb(), undecodable),
        "text-bomb.png": (_text_bomb(), undecodable),
        "empty.png": (b"", undecodable),
        "magic-only.jpg": (b"\xff\xd8\xff", undecodable),
        "no-frame.gif": (gif(0), undecodable),
        "zero-pixels.png": (png(0, 0), undecodable),
        "svg.png": (SVG, unsupported),
        "svg-bom.jpg": (b"\xef\xbb\xbf  " + SVG, unsupported),
        "html.jpg": (b"<!DOCTYPE html><html><body>ad</body></html>", unsupported),
        "pdf.png": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", unsupported),
        "mp4.jpg": (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2mp41" + bytes(64), unsupported),
        "mkv.png": (b"\x1aE\xdf\xa3" + bytes(64), unsupported),
        "zip.png": (b"PK\x03\x04" + bytes(64), unsupported),
        "noise.jpg": (random.Random(3).randbytes(4096), unsupported),
        "text.jpg": ("全国第一".encode(), unsupported),
    }  # fmt: skip
    for name in FORMATS:
        whole = _whole(name)
        images[f"half.{name.lower()}"] = (whole[: len(whole) // 2], undecodable)
    return images


def odd_but_valid_images() -> dict[str, OddImage]:
    """Name → an image that must come out right."""
    images = {
        f"plain.{name.lower()}": OddImage(
            encoded(quarters(), name, **({"lossless": True} if name == "WebP" else {})), (64, 32), corner_colours(),
            tolerance=8 if name == "JPEG" else 0,
        )
        for name in FORMATS
    }  # fmt: skip
    png_content = encoded(quarters(), "PNG")
    images["png-named.jpg"] = OddImage(png_content, (64, 32), corner_colours())
    images["one-pixel.png"] = OddImage(encoded(Image.new("RGB", (1, 1), BLUE), "PNG"), (1, 1), {(0, 0): BLUE})
    images["one-pixel.gif"] = OddImage(gif(1), (1, 1), {(0, 0): (0, 0, 0)})
    images["aspect-200.png"] = OddImage(encoded(Image.new("RGB", (200, 1), RED), "PNG"), (200, 1), {(199, 0): RED})
    return images | _turned() | _deep() | _see_through() | _animated() | _cmyk()


def _turned() -> dict[str, OddImage]:
    """All eight EXIF orientations: each file is stored so that it shows `quarters` once it is turned."""
    undo = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    images = {}
    for orientation, operation in undo.items():
        stored = quarters() if operation is None else quarters().transpose(operation)
        exif = Image.Exif()
        exif[274] = orientation
        for name in ("JPEG", "PNG", "WebP", "TIFF"):
            content = encoded(stored, name, exif=exif, **({"lossless": True} if name == "WebP" else {}))
            tolerance = 8 if name == "JPEG" else 0
            images[f"exif-{orientation}.{name.lower()}"] = OddImage(content, (64, 32), corner_colours(), tolerance)
    return images


def _deep() -> dict[str, OddImage]:
    """16 bits a sample: a ramp, so that clipping instead of scaling shows."""
    samples = [0, 16384, 32768, 65535]
    grey = {(x, 0): (value // 257,) * 3 for x, value in enumerate(samples)}
    big_endian = b"".join(struct.pack(">H", value) for value in samples)
    little = Image.frombytes("I;16", (4, 1), b"".join(struct.pack("<H", value) for value in samples))
    colour = b"".join(struct.pack(">HHH", value, 0, 65535 - value) for value in samples)
    colours = {(x, 0): (value // 257, 0, 255 - value // 257) for x, value in enumerate(samples)}
    return {
        "grey-16.png": OddImage(png(4, 1, idat=zlib.compress(b"\0" + big_endian), bits=16, colour=0), (4, 1), grey, 1),
        "grey-16-key.png": OddImage(
            png(4, 1, (b"tRNS", b"\x40\0"), idat=zlib.compress(b"\0" + big_endian), bits=16, colour=0), (4, 1),
            {(0, 0): (0, 0, 0), (3, 0): WHITE},
        ),
        "grey-16.tiff": OddImage(encoded(little, "TIFF"), (4, 1), grey, 1),
        "grey-32.tiff": OddImage(
            encoded(Image.frombytes("I", (2, 1), struct.pack("<ii", 0, 2**31 - 1)), "TIFF"), (2, 1),
            {(0, 0): (0, 0, 0), (1, 0): WHITE}, 1,
        ),
        "float.tiff": OddImage(
            encoded(Image.frombytes("F", (2, 1), struct.pack("<ff", 0.0, 1.0)), "TIFF"), (2, 1),
            {(0, 0): (0, 0, 0), (1, 0): WHITE}, 1,
        ),
        "rgb-16.png": OddImage(png(4, 1, idat=zlib.compress(b"\0" + colour), bits=16), (4, 1), colours, 1),
        "bilevel.png": OddImage(encoded(Image.new("1", (3, 3), 1), "PNG"), (3, 3), {(1, 1): WHITE}),
    }  # fmt: skip


def _see_through() -> dict[str, OddImage]:
    half_red = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    grey = Image.new("LA", (4, 4), (0, 0))
    palette = quarters("P")
    keyed = Image.new("P", (4, 4), 0)
    keyed.putpalette([0, 0, 0, 255, 0, 0])
    keyed.putpixel((0, 0), 1)
    pink = (255, 127, 127)
    return {
        "alpha.png": OddImage(encoded(half_red, "PNG"), (4, 4), {(1, 1): pink}, 1),
        "alpha.webp": OddImage(encoded(half_red, "WebP", lossless=True), (4, 4), {(1, 1): pink}, 1),
        "alpha.tiff": OddImage(encoded(half_red, "TIFF"), (4, 4), {(1, 1): pink}, 1),
        "clear.png": OddImage(encoded(clear, "PNG"), (4, 4), {(1, 1): WHITE}),
        "grey-alpha.png": OddImage(encoded(grey, "PNG"), (4, 4), {(1, 1): WHITE}),
        "palette.png": OddImage(encoded(palette, "PNG"), (64, 32), corner_colours()),
        "palette-key.png": OddImage(encoded(keyed, "PNG", transparency=0), (4, 4), {(0, 0): RED, (3, 3): WHITE}),
        "palette-key.gif": OddImage(encoded(keyed, "GIF", transparency=0), (4, 4), {(0, 0): RED, (3, 3): WHITE}),
    }


def _animated() -> dict[str, OddImage]:
    frames = [Image.new("RGB", (16, 8), colour) for colour in (RED, GREEN, BLUE)]
    options = {"save_all": True, "append_images": frames[1:], "duration": 50}
    return {
        "animated.webp": OddImage(encoded(frames[0], "WebP", lossless=True, **options), (16, 8), {(5, 5): RED}, 0, 3),
        "animated.gif": OddImage(encoded(frames[0], "GIF", **options), (16, 8), {(5, 5): RED}, 0, 3),
        "animated.png": OddImage(encoded(frames[0], "PNG", **options), (16, 8), {(5, 5): RED}, 0, 3),
        "animated-behind-its-first-picture.png": OddImage(
            encoded(frames[0], "PNG", default_image=True, **options), (16, 8), {(5, 5): RED}, 0, 3
        ),
        "pages.tiff": OddImage(
            encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]), (16, 8), {(5, 5): RED}, 0, 3
        ),
    }


def _cmyk() -> dict[str, OddImage]:
    """Pillow writes Adobe's inverted CMYK; the TIFF is not inverted. Both must come out the same."""
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {
        "cmyk.jpeg": OddImage(encoded(image, "JPEG", quality=95), (16, 16), {(8, 8): RED}, 12),
        "cmyk.tiff": OddImage(encoded(image, "TIFF"), (16, 16), {(8, 8): RED}, 2),
        "profile.png": OddImage(encoded(quarters(), "PNG", icc_profile=profile), (64, 32), corner_colours()),
        "broken-profile.jpeg": OddImage(
            encoded(quarters(), "JPEG", icc_profile=b"\xff" * 5000), (64, 32), corner_colours(), 8
        ),
    }


def damaged_images(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Truncated and bit-flipped files of every format. Any may still decode; none may do harm."""
    chance = random.Random(seed)
    for number in range(count):
        file_format = FORMATS[number % len(FORMATS)]
        content = bytearray(_whole(file_format) if chance.random() < 0.7 else encoded(quarters(), file_format))
        if chance.random() < 0.4:
            del content[chance.randrange(len(content)) :]
        for _ in range(chance.choice((0, 1, 3, 30))):
            if content:
                at = chance.randrange(min(len(content), chance.choice((64, 512, len(content)))))
                content[at] ^= 1 << chance.randrange(8)
        yield f"{file_format.lower()}-{seed}-{number}", bytes(content)
