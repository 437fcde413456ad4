"""The packed forward passes compute what transformers' own modules compute."""

import torch

from consumer.inference.gpu.vision import embed_pictures
from tests.gpu.ads import ad
from tests.gpu.stock import grid_thw, load_stock, pixels

GRIDS = ((8, 12), (4, 4), (16, 6))


@torch.inference_mode()
def test_pictures_packed_together_are_seen_as_by_the_stock_tower(tiny, tiny_folder):
    item = ad(tiny, 2, GRIDS)
    expected = load_stock(tiny_folder).model.visual(pixels(tiny, item), grid_thw=grid_thw(GRIDS)).pooler_output
    torch.testing.assert_close(embed_pictures(tiny.vision, tiny.attention, item.patches, GRIDS), expected)
