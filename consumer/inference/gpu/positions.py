"""Where tokens and patches stand, as rotary embeddings want it. Pure, on the CPU.

Computed here from the token ids: the model's own `rope_deltas` is state that a cached prefix turns stale.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

MERGE: Final = 2
"""Patches that become one visual token, along each side."""


class PayloadInvalid(ValueError):
    """Token ids and pictures do not belong together; a fault of whoever prepared them."""


def token_positions(ids: Tensor, grids: Sequence[tuple[int, int]], image_token: int, start: int) -> tuple[Tensor, int]:
    """Time, height and width of each token, int64 [3, tokens], and the position after the last one.

    `ids` [tokens] hold a run of `image_token` for each grid (height, width in patches). Text moves all three by one;
    a picture spans its own height and width from where it stands, and moves by the larger.
    """
    is_image = ids == image_token
    wanted = sum(height * width for height, width in grids) // MERGE**2
    if int(is_image.sum()) != wanted:
        raise PayloadInvalid(f"{int(is_image.sum())} visual tokens for pictures of {wanted}")
    places = is_image.nonzero().flatten().tolist()
    parts, at, position, seen = [], 0, start, 0
    for height, width in grids:
        rows, columns = height // MERGE, width // MERGE
        first = places[seen]
        if places[seen + rows * columns - 1] != first + rows * columns - 1:
            raise PayloadInvalid("the visual tokens of a picture are not one run")
        parts.append(_text(position, first - at))
        position += first - at
        down, across = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        parts.append(torch.stack([torch.zeros_like(down), down, across]).reshape(3, -1) + position)
        position += max(rows, columns)
        seen += rows * columns
        at = first + rows * columns
    parts.append(_text(position, len(ids) - at))
    return torch.cat(parts, dim=1), position + len(ids) - at


def _text(start: int, count: int) -> Tensor:
    return torch.arange(start, start + count).expand(3, -1)


def patch_positions(grids: Sequence[tuple[int, int]]) -> Tensor:
    """Height and width of each patch, int64 [patches, 2]; the patches of one visual token are neighbours."""
    return torch.cat([_patches(height, width) for height, width in grids])


def _patches(height: int, width: int) -> Tensor:
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([down, across], dim=-1)
    blocks = places.view(height // MERGE, MERGE, width // MERGE, MERGE, 2)
    return blocks.transpose(1, 2).reshape(-1, 2)


def rotary(angles: Tensor, dtype: torch.dtype, scaling: float = 1.0) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine for `rotate`, [n, 1, dim], from the angles of half a head, [n, dim / 2]."""
    cosine, sine = (angles.cos() * scaling).to(dtype), (angles.sin() * scaling).to(dtype)
    return torch.cat([cosine, cosine], -1).unsqueeze(1), torch.cat([-sine, sine], -1).unsqueeze(1)


def rotate(vectors: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Turns [n, heads, dim] by the table of `rotary`, in the table's precision; the result is contiguous."""
    cosine, sine = table
    swapped = vectors.roll(vectors.shape[-1] // 2, -1)
    return (vectors * cosine).addcmul_(swapped, sine).to(vectors.dtype)
