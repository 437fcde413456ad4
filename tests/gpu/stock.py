"""transformers' own forward pass, one ad at a time, whole sequences: what ours is measured against."""

import itertools
from pathlib import Path

import torch
import transformers

from consumer.inference.gpu.decoding import Grammars
from consumer.inference.gpu.model import Model
from consumer.inference.gpu.payload import Item

CLOSE = 1e-4
"""Logits nearer than this may change places between batches: sums are rounded in another order."""


def load_stock(folder: Path) -> torch.nn.Module:
    """The stock model on the CPU, in float32."""
    return transformers.AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa"
    ).eval()


def pixels(model: Model, item: Item) -> torch.Tensor:
    """What the picture processor makes of the patches' bytes."""
    return torch.addcmul(model.vision.shift, item.patches.float(), model.vision.scale)


def grid_thw(grids: tuple[tuple[int, int], ...]) -> torch.Tensor:
    """As the stock model wants grids."""
    return torch.tensor([[1, height, width] for height, width in grids])


@torch.inference_mode()
def stock_logits(stock, model: Model, prefix: torch.Tensor, item: Item, answer: list[int]) -> torch.Tensor:
    """Scores of every token of `answer`, [tokens, vocabulary], each given the true tokens before it."""
    ids = torch.cat([prefix, item.ids, torch.tensor(answer[:-1], dtype=torch.int32)]).long()[None]
    pictures = {"pixel_values": pixels(model, item), "image_grid_thw": grid_thw(item.grids)} if item.grids else {}
    stock.model.rope_deltas = None
    logits = stock(
        input_ids=ids, mm_token_type_ids=(ids == model.image_token).int(), use_cache=False, **pictures
    ).logits
    return logits[0, -len(answer) :]


def assert_greedy(
    grammars: Grammars, grammar: str, scores: torch.Tensor, answer: list[int], close: float = CLOSE
) -> None:
    """Each token of `answer` has the best of the scores that the grammar allows, or is as good as it."""
    matcher = grammars.matcher(grammar)
    for row, token in zip(scores, answer, strict=True):
        bits = torch.frombuffer(bytearray(matcher.compute_bitmask()), dtype=torch.uint8)
        allowed = torch.tensor([(byte >> bit) & 1 for byte, bit in itertools.product(bits.tolist(), range(8))]).bool()
        best = row[: len(allowed)][allowed[: len(row)]].max()
        assert allowed[token]
        assert row[token] >= best - close
        assert matcher.consume_token(token)
