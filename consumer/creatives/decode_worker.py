"""The decoder process: `python -m consumer.creatives.decode_worker <fd> <memory_bytes> <max_pixels>`.

The only place of the consumer where Pillow sees a creative. Requests, one at a time:

    {"op": "inspect", "max_frames"}      fds: content          → {"content_type", "width", "height", "frames"}
    {"op": "decode", "width", "height"}  fds: content, pixels  → {}

What is wrong with a file is answered as {"reason", "message"}, never as an exception: those are ours.
"""

import contextlib
import logging
import mmap
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from consumer.creatives import containers
from consumer.creatives.header_gate import ACCEPTED
from consumer.workers.channel import Answer, Request, limit_memory, serve
from schemas import Reason

MESSAGE_CHARS = 200
_ORIENTATION_TAG = 274
_TURNED = frozenset({5, 6, 7, 8})
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def main() -> None:
    """Takes the limits from the command line and serves until the parent is gone."""
    socket_fd, memory_bytes, max_pixels = (int(argument) for argument in sys.argv[1:])
    limit_memory(memory_bytes)
    logging.disable()
    _silence_native_code()
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.preinit()
    Image.init()
    serve(socket_fd, lambda request, fds: answer(request, fds, max_pixels))


def answer(request: Request, fds: Sequence[int], max_pixels: int) -> Answer:
    """One request; a file's faults become a reason. `max_pixels` bounds what Pillow may decode."""
    try:
        if request["op"] == "inspect":
            return inspect(fds[0], request["max_frames"])
        decode(fds[0], fds[1], (request["width"], request["height"]), max_pixels)
    except MemoryError:
        return _refused(Reason.CREATIVE_UNDECODABLE, "needs more memory than one picture may")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return _refused(Reason.CREATIVE_TOO_LARGE, f"has more than {max_pixels:,} pixels behind its header")
    except containers.Damaged as error:
        return _refused(Reason.CREATIVE_UNDECODABLE, f"is damaged: {error}")
    except UnidentifiedImageError:
        return _refused(Reason.CREATIVE_UNDECODABLE, "is damaged: its header cannot be read")
    except Exception as error:  # noqa: BLE001 - Pillow's parsers raise anything on hostile bytes; all of it means the file
        return _refused(Reason.CREATIVE_UNDECODABLE, f"is damaged: {type(error).__name__}: {error}")
    return {}


def _refused(reason: Reason, message: str) -> Answer:
    printable = "".join(character if character.isprintable() else "?" for character in message[:MESSAGE_CHARS])
    return {"reason": reason.value, "message": printable}


def _silence_native_code() -> None:
    """libtiff writes about damaged files to descriptor 2; only Python's own errors are worth a log line."""
    sys.stderr = os.fdopen(os.dup(2), "w")
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def inspect(content_fd: int, max_frames: int) -> Answer:
    """Header facts; size and frames are 0 for what is not an accepted image. Nothing is decoded."""
    facts: Answer = {"content_type": containers.EMPTY, "width": 0, "height": 0, "frames": 0}
    size_bytes = os.fstat(content_fd).st_size
    if not size_bytes:
        return facts
    with mmap.mmap(content_fd, size_bytes, prot=mmap.PROT_READ) as content:
        content_type = facts["content_type"] = containers.sniff(content)
        if content_type not in ACCEPTED:
            return facts
        facts["frames"] = containers.count_frames(content_type, content, max_frames)
        if content_type == "image/webp":
            width, height = containers.webp_size(content)
            exif = Image.Exif()
            exif.load(containers.webp_exif(content))
            orientation = exif.get(_ORIENTATION_TAG, 1)
        else:
            Image.MAX_IMAGE_PIXELS = None  # a bomb's size is a fact here; the gate refuses it
            with _opened(content_fd, content_type) as image:
                (width, height), orientation = image.size, _orientation(image)
    facts["width"], facts["height"] = (height, width) if orientation in _TURNED else (width, height)
    return facts


def decode(content_fd: int, pixels_fd: int, size: tuple[int, int], max_pixels: int) -> None:
    """Writes the first frame into `pixels_fd` as 8-bit RGB; raises whatever Pillow raises."""
    with mmap.mmap(content_fd, 0, prot=mmap.PROT_READ) as content:
        content_type = containers.sniff(content)
    Image.MAX_IMAGE_PIXELS = max_pixels
    with _opened(content_fd, content_type) as image:
        orientation = _orientation(image)
        image.load()
        picture = upright(to_rgb(image), orientation)
    if picture.size != size:
        raise containers.Damaged(
            f"its header says {size[0]}×{size[1]} pixels, its data {picture.width}×{picture.height}"
        )
    with mmap.mmap(pixels_fd, picture.width * picture.height * 3) as pixels:
        pixels.write(picture.tobytes())


@contextlib.contextmanager
def _opened(content_fd: int, content_type: str) -> Iterator[Image.Image]:
    with os.fdopen(os.dup(content_fd), "rb") as file:
        file.seek(0)  # the descriptor's position is shared with every other holder
        with Image.open(file, formats=[content_type.removeprefix("image/").upper()]) as image:
            yield image


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8. Pillow's TIFF reader turns by itself."""
    if image.format == "TIFF":
        return 1
    # the base class' method: PNG's own decodes the picture to look for EXIF after it
    orientation = Image.Image.getexif(image).get(_ORIENTATION_TAG, 1)
    return orientation if isinstance(orientation, int) else 1


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """The picture as its EXIF orientation wants it seen."""
    turn = _TRANSPOSE.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB. Alpha is laid on white, as a page would; ICC profiles are ignored: they are code to run."""
    if image.mode.startswith("I"):
        image = _scaled_integers(image)
    elif image.mode == "F":
        _low, high = image.getextrema()
        scale = 255.0 if isinstance(high, float) and high <= 1 else 1.0
        image = image.point(lambda value: value * scale + 0).convert("L")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        page = Image.new("RGBA", layer.size, "white")
        page.alpha_composite(layer)
        image = page
    return image if image.mode == "RGB" else image.convert("RGB")


def _scaled_integers(image: Image.Image) -> Image.Image:
    """16-bit (or, in TIFF, 32-bit) grey to 8-bit: Pillow's own conversion clips instead of scaling."""
    wide = image.convert("I")
    wide.info.pop("transparency", None)  # a 16-bit colour key has no meaning in 8 bits; without it all is opaque
    _low, high = wide.getextrema()
    full_scale = 65535 if isinstance(high, tuple) or high <= 65535 else 2**31 - 1
    return wide.point(lambda value: value * (255 / full_scale) + 0.5).convert("L")


if __name__ == "__main__":
    main()
