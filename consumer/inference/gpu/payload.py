"""An ad as it arrives: a memory file with token ids and the bytes of patches, read without a copy."""

import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from consumer.inference.gpu.positions import PayloadInvalid

_ID_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Item:
    """One ad of a launch, in host memory."""

    grammar: str
    ids: Tensor
    """int32 [tokens], visual placeholders in place; without the shared prefix."""
    patches: Tensor
    """uint8 [patches, values of a patch], picture after picture."""
    grids: tuple[tuple[int, int], ...]
    """Height and width of each picture, in patches."""
    max_output: int


def read_ids(fd: int, count: int) -> Tensor:
    """int32 [count] from the start of a memory file; raises PayloadInvalid."""
    if count == 0:
        return torch.empty(0, dtype=torch.int32)
    return _content(fd, count * _ID_BYTES)[: count * _ID_BYTES].view(torch.int32)


def read_item(fd: int, grammar: str, tokens: int, grids: Sequence[Sequence[int]], max_output: int, values: int) -> Item:
    """An ad from its memory file: `tokens` ids, then `values` bytes for each patch; raises PayloadInvalid."""
    sizes = tuple((height, width) for height, width in grids)
    patches = sum(height * width for height, width in sizes)
    if tokens < 1 or max_output < 1:
        raise PayloadInvalid(f"{tokens} tokens and an answer of at most {max_output}: both must be at least 1")
    split, end = tokens * _ID_BYTES, tokens * _ID_BYTES + patches * values
    content = _content(fd, end)
    return Item(
        grammar=grammar,
        ids=content[:split].view(torch.int32),
        patches=content[split:end].view(patches, values),
        grids=sizes,
        max_output=max_output,
    )


def _content(fd: int, wanted_bytes: int) -> Tensor:
    """uint8, mapped privately: what the writer does afterwards is not seen, and the file is never written."""
    size = os.fstat(fd).st_size
    if size < wanted_bytes:
        raise PayloadInvalid(f"{size} bytes where {wanted_bytes} were announced")
    return torch.frombuffer(mmap.mmap(fd, size, access=mmap.ACCESS_COPY), dtype=torch.uint8)
