"""The preparing process: `python -m consumer.inference.preparer <fd> {"model": …, "revision": …}`.

It makes of an ad what the GPU's process reads, so that the card never waits for a tokenizer or for resizing.
Texts come, and results go, in memory files:

    {"op": "prefix"}               fds: text, out                  → {"tokens"}
    {"op": "prepare", "pictures"}  fds: text, pixels of each, out  → {"tokens", "grids", "payload_bytes", "cut"}

`out` of "prefix" holds the int32 ids of the shared prompt; `out` of "prepare" the ids of the ad's own part, visual
placeholders in place, then its uint8 patches, picture by picture. `pictures` are `{"width", "height", "max_pixels"}`,
their pixels 8-bit RGB. A model that cannot be used answers `{"refused": why}`.

Texts are encoded by a tokenizer that knows no special token: an ad that writes `<|im_end|>` has written ten ordinary
characters. Only this module puts special tokens between them.
"""

import json
import mmap
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch
from PIL import Image
from qwen_vl_utils import process_vision_info
from transformers import AutoImageProcessor, AutoTokenizer

from consumer.inference.prompt import CLOSING, MAX_TEXT_TOKENS, picture_label
from consumer.workers.channel import Answer, Request, serve

PATCH_SIDE: Final = 14
MERGE: Final = 2
"""Patches of each side of a visual token."""
FRAMES: Final = 2
"""A picture counts as two equal frames of a video."""


class ModelRefused(Exception):
    """The model's folder cannot be used; the message says why and names no path."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The special tokens between texts."""

    start: int
    end: int
    vision_start: int
    vision_end: int
    picture: int

    @classmethod
    def of(cls, tokenizer: Any) -> Self:
        """Raises ModelRefused when the tokenizer is not of this family."""
        names = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
        known = tokenizer.get_added_vocab()
        missing = [name for name in names if name not in known]
        if missing:
            raise ModelRefused(f"its tokenizer has no {', '.join(missing)}; gpu.model must be a Qwen2-VL model")
        return cls(*(known[name] for name in names))


class Preparer:
    """One model's tokenizer and the arithmetic of its patches."""

    def __init__(self, tokenizer: Any) -> None:
        self._turns = Turns.of(tokenizer)
        backend = tokenizer.backend_tokenizer
        self._plain = type(backend).from_str(json.dumps(json.loads(backend.to_str()) | {"added_tokens": []}))

    @classmethod
    def load(cls, model: str, revision: str | None) -> Self:
        """From a folder, or from the hub by id; raises ModelRefused."""
        try:
            pictures = AutoImageProcessor.from_pretrained(model, revision=revision)
            tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
        except (OSError, ValueError) as error:
            raise ModelRefused(
                f"its tokenizer or picture processor cannot be loaded ({type(error).__name__}); check gpu.model"
            ) from error
        sides = pictures.patch_size, pictures.merge_size, pictures.temporal_patch_size
        if sides != (PATCH_SIDE, MERGE, FRAMES):
            raise ModelRefused(f"it cuts pictures into patches of {sides}; gpu.model must be a Qwen2-VL model")
        return cls(tokenizer)

    def prefix(self, text: str) -> list[int]:
        """Token ids of what every prompt begins with: the law as the system's turn, and the begin of the user's."""
        turns = self._turns
        system = [turns.start, *self.encode("system\n"), *self.encode(text), turns.end, *self.encode("\n")]
        return [*system, turns.start, *self.encode("user\n")]

    def own(self, text: str, grids: Sequence[tuple[int, int]]) -> tuple[list[int], bool]:
        """Token ids of one ad's part, and whether its text was cut; `grids`: height and width in patches."""
        turns = self._turns
        words = self.encode(text)
        ids = words[:MAX_TEXT_TOKENS]
        for index, (height, width) in enumerate(grids):
            ids += self.encode(f"\n{picture_label(index)}:")
            ids += [turns.vision_start, *[turns.picture] * (height * width // MERGE**2), turns.vision_end]
        ids += [*self.encode(CLOSING), turns.end, *self.encode("\n"), turns.start, *self.encode("assistant\n")]
        return ids, len(words) > MAX_TEXT_TOKENS

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, none of them special."""
        return list(self._plain.encode(text, add_special_tokens=False).ids)


def resized(pixels_fd: int, width: int, height: int, max_pixels: int) -> np.ndarray:
    """A picture at the size that the model reads: uint8 height × width × 3, sides multiples of 28."""
    with mmap.mmap(pixels_fd, width * height * 3, prot=mmap.PROT_READ) as content, memoryview(content) as pixels:
        picture = Image.frombytes("RGB", (width, height), pixels)
    asked = {"type": "image", "image": picture, "max_pixels": max_pixels}
    pictures, _ = process_vision_info([{"role": "user", "content": [asked]}])
    return np.asarray(pictures[0])


def patches_of(picture: np.ndarray) -> np.ndarray:
    """The picture's patches, uint8 [patches, 1176], in the order and layout of Qwen2-VL's picture processor.

    The four patches of a visual token follow each other; a patch is channel × frame × height × width.
    """
    rows, columns = (side // (PATCH_SIDE * MERGE) for side in picture.shape[:2])
    cut = picture.reshape(rows, MERGE, PATCH_SIDE, columns, MERGE, PATCH_SIDE, 3)
    ordered = cut.transpose(0, 3, 1, 4, 6, 2, 5)[:, :, :, :, :, None]
    frames = np.broadcast_to(ordered, (*ordered.shape[:5], FRAMES, PATCH_SIDE, PATCH_SIDE))
    return frames.reshape(rows * columns * MERGE**2, -1)


def prepare(preparer: Preparer, pictures: Sequence[dict[str, int]], fds: Sequence[int]) -> Answer:
    """One ad; see the module."""
    text_fd, *pixel_fds, out_fd = fds
    read = [resized(fd, **picture) for fd, picture in zip(pixel_fds, pictures, strict=True)]
    grids = [(picture.shape[0] // PATCH_SIDE, picture.shape[1] // PATCH_SIDE) for picture in read]
    ids, cut = preparer.own(_text(text_fd), grids)
    with os.fdopen(os.dup(out_fd), "wb") as out:
        out.seek(0)  # where a process that died over the same ad may have left off
        out.truncate()
        out.write(np.array(ids, np.int32).tobytes())
        for picture in read:
            out.write(patches_of(picture).data)
        payload_bytes = out.tell()
    return {
        "tokens": len(ids),
        "grids": grids,
        "payload_bytes": payload_bytes,
        "cut": cut,
    }


def answer(preparer: Preparer, request: Request, fds: Sequence[int]) -> Answer:
    """One request; raises for what no consumer of this version sends."""
    if request["op"] == "prepare":
        return prepare(preparer, request["pictures"], fds)
    text_fd, out_fd = fds
    ids = preparer.prefix(_text(text_fd))
    os.truncate(out_fd, 0)
    os.pwrite(out_fd, np.array(ids, np.int32).tobytes(), 0)
    return {"tokens": len(ids)}


def _text(fd: int) -> str:
    return os.pread(fd, os.fstat(fd).st_size, 0).decode()


def main() -> None:
    """Loads the tokenizer and serves until the consumer is gone."""
    arguments = json.loads(sys.argv[2])
    torch.set_num_threads(1)  # as many processes as are wanted run side by side
    try:
        preparer = Preparer.load(arguments["model"], arguments["revision"])
    except ModelRefused as refusal:
        reason = str(refusal)
        serve(int(sys.argv[1]), lambda request, fds: {"refused": reason})
    else:
        serve(int(sys.argv[1]), lambda request, fds: answer(preparer, request, fds))


if __name__ == "__main__":
    main()
