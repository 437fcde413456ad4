"""Random ads as the worker takes them: token ids with placeholders in place, and bytes of patches."""

import random
from typing import Any

import torch

from consumer.inference.gpu.model import Model
from consumer.inference.gpu.payload import Item

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "decision": {"enum": ["approve", "review", "reject"]},
        "violations": {
            "type": "array",
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {"rule": {"enum": ["R1", "R2"]}, "quote": {"type": "string", "maxLength": 12}},
                "required": ["rule", "quote"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["decision", "violations"],
    "additionalProperties": False,
}


def tokens(model: Model, count: int, seed: int) -> torch.Tensor:
    """int32 ids of ordinary tokens."""
    draw = random.Random(seed)
    return torch.tensor([draw.randrange(1000, 7000) for _ in range(count)], dtype=torch.int32)


def ad(
    model: Model,
    text: int,
    grids: tuple[tuple[int, int], ...] = (),
    seed: int = 0,
    max_output: int = 32,
    grammar: str = "verdict",
) -> Item:
    """`text` tokens around pictures of `grids` patches."""
    vision_start, vision_end = model.tokenizer.convert_tokens_to_ids(["<|vision_start|>", "<|vision_end|>"])
    words = tokens(model, text, seed)
    parts = [words[: text // 2]]
    for height, width in grids:
        visual = [vision_start, *[model.image_token] * (height * width // 4), vision_end]
        parts.append(torch.tensor(visual, dtype=torch.int32))
    parts.append(words[text // 2 :])
    patches = sum(height * width for height, width in grids)
    generator = torch.Generator().manual_seed(seed)
    values = model.vision.embedding.shape[1]
    pixels = torch.randint(0, 256, (patches, values), generator=generator, dtype=torch.uint8)
    return Item(grammar, torch.cat(parts), pixels, grids, max_output)
