"""Positions are the stock model's, wherever pictures stand; payloads that contradict themselves are refused."""

import os
import random

import pytest
import torch

from consumer.inference.gpu.payload import read_ids, read_item
from consumer.inference.gpu.positions import PayloadInvalid, patch_positions, rotary, rotate, token_positions
from tests.gpu.ads import ad, tokens
from tests.gpu.stock import grid_thw, load_stock

VALUES = 1176


@pytest.fixture(scope="module")
def stock(tiny_folder):
    return load_stock(tiny_folder)


@pytest.mark.parametrize("seed", range(12))
def test_tokens_stand_where_the_stock_model_puts_them(tiny, stock, seed):
    draw = random.Random(seed)
    grids = tuple((2 * draw.randint(1, 9), 2 * draw.randint(1, 9)) for _ in range(draw.randint(0, 5)))
    item, prefix = ad(tiny, draw.randint(1, 40), grids, seed), tokens(tiny, draw.randint(0, 20), seed)
    ours, following = token_positions(item.ids, grids, tiny.image_token, len(prefix))
    ids = torch.cat([prefix, item.ids]).long()[None]
    if grids:
        expected, deltas = stock.model.get_rope_index(ids, (ids == tiny.image_token).int(), grid_thw(grids))
        assert following == ids.shape[1] + int(deltas)
    else:
        expected = torch.arange(ids.shape[1]).expand(3, 1, -1)
        assert following == ids.shape[1]
    assert torch.equal(ours, expected[:, 0, len(prefix) :])


def test_the_patches_of_one_visual_token_are_neighbours():
    four_by_two = patch_positions([(4, 2)])
    assert four_by_two.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1], [3, 0], [3, 1]]
    assert len(patch_positions([(8, 6), (4, 2)])) == 56


def test_rotation_keeps_lengths_and_depends_on_distance_alone():
    vectors = torch.randn(6, 2, 16)
    frequencies = torch.rand(8)
    turned = {
        at: rotate(vectors, rotary(torch.full((6, 1), float(at)) * frequencies, torch.float32)) for at in (3, 5, 9)
    }
    torch.testing.assert_close(turned[9].norm(dim=-1), vectors.norm(dim=-1))
    later = {at: rotate(vectors, rotary(torch.full((6, 1), at + 7.0) * frequencies, torch.float32)) for at in (3, 5)}
    torch.testing.assert_close((turned[3] * turned[5]).sum(-1), (later[3] * later[5]).sum(-1))


@pytest.mark.parametrize("grids", [((4, 4),), ((4, 4), (4, 4), (2, 2)), ()])
def test_visual_tokens_that_do_not_match_the_pictures_are_refused(tiny, grids):
    item = ad(tiny, 10, ((4, 4), (4, 4)))
    with pytest.raises(PayloadInvalid):
        token_positions(item.ids, grids, tiny.image_token, 0)


def test_visual_tokens_of_one_picture_must_be_one_run(tiny):
    item = ad(tiny, 10, ((4, 4), (4, 4)))
    with pytest.raises(PayloadInvalid):
        token_positions(item.ids, ((8, 4),), tiny.image_token, 0)


@pytest.fixture
def memory_file():
    fds = []

    def of(content):
        fds.append(os.memfd_create("ad"))
        os.write(fds[-1], content)
        return fds[-1]

    yield of
    for fd in fds:
        os.close(fd)


def test_an_item_is_read_from_its_memory_file(memory_file):
    ids, pixels = torch.arange(9, dtype=torch.int32), torch.randint(0, 256, (24, VALUES), dtype=torch.uint8)
    fd = memory_file(ids.numpy().tobytes() + pixels.numpy().tobytes())
    item = read_item(fd, "verdict", 9, [[4, 2], [2, 8]], 5, VALUES)
    assert torch.equal(item.ids, ids)
    assert torch.equal(item.patches, pixels)
    assert item.grids == ((4, 2), (2, 8))
    assert torch.equal(read_ids(fd, 4), ids[:4])
    assert len(read_ids(memory_file(b""), 0)) == 0


@pytest.mark.parametrize(("tokens_", "grids", "output"), [(9, [[4, 4]], 5), (0, [], 5), (9, [], 0), (10, [], 5)])
def test_an_item_that_is_not_what_was_announced_is_refused(memory_file, tokens_, grids, output):
    with pytest.raises(PayloadInvalid):
        read_item(memory_file(bytes(9 * 4)), "verdict", tokens_, grids, output, VALUES)
