"""The packed forward passes compute what transformers' own modules compute."""

import torch
import transformers

from consumer.inference.gpu.decoding import Grammars
from consumer.inference.gpu.device import CpuDevice
from consumer.inference.gpu.phases import Phases
from consumer.inference.gpu.runner import CallLimits, Runner
from consumer.inference.gpu.vision import embed_pictures
from tests.gpu.ads import SCHEMA, ad, tokens

GRIDS = ((8, 12), (4, 4), (16, 6))


def stock(folder):
    return transformers.AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa"
    ).eval()


def pixels(model, item):
    return torch.addcmul(model.vision.shift, item.patches.float(), model.vision.scale)


def grid_thw(grids):
    return torch.tensor([[1, height, width] for height, width in grids])


@torch.inference_mode()
def test_pictures_packed_together_are_seen_as_by_the_stock_tower(tiny, tiny_folder):
    item = ad(tiny, 2, GRIDS)
    expected = stock(tiny_folder).model.visual(pixels(tiny, item), grid_thw=grid_thw(GRIDS)).pooler_output
    torch.testing.assert_close(embed_pictures(tiny.vision, tiny.attention, item.patches, GRIDS), expected)


@torch.inference_mode()
def test_first_answer_tokens_follow_the_stock_models_logits(tiny, tiny_folder):
    reference = stock(tiny_folder)
    runner = Runner(tiny, Grammars(tiny, {"verdict": SCHEMA}), CallLimits(4096, 4096))
    prefix = tokens(tiny, 40, seed=9)
    runner.set_prefix(prefix)
    items = [ad(tiny, 30, GRIDS, seed=1), ad(tiny, 11, (), seed=2), ad(tiny, 7, ((4, 20),), seed=3)]
    runner.run(items, Phases(CpuDevice()))
