"""Models and grammars that the worker does not serve are refused at the start, with what to do."""

import asyncio
import json
import shutil
from array import array

import pytest
import torch

from consumer.errors import StartRefused
from consumer.inference.gpu.decoding import Grammars
from consumer.inference.gpu.model import ModelRefused, load_model
from tests.gpu.ads import SCHEMA
from tests.gpu.process import GpuProcess, Opening, settings


def changed(folder, to, change):
    """A copy of the model whose config.json is another."""
    shutil.copytree(folder, to)
    config = json.loads((to / "config.json").read_text())
    change(config)
    (to / "config.json").write_text(json.dumps(config))
    return to


CHANGES = {
    "eager attention": lambda config: config.update(attn_implementation="eager"),
    "sliding window": lambda config: config["text_config"].update(use_sliding_window=True, sliding_window=64),
    "rotary type": lambda config: config["text_config"]["rope_parameters"].update(rope_type="linear", factor=2.0),
    "quick_gelu": lambda config: config["vision_config"].update(hidden_act="gelu"),
    "only silu": lambda config: config["text_config"].update(hidden_act="gelu"),
    "serves qwen2_vl": lambda config: config.update(model_type="qwen2_5_vl"),
}


@pytest.mark.parametrize("reason", CHANGES)
def test_a_model_that_is_computed_otherwise_is_refused(tiny_folder, tmp_path, reason):
    folder = changed(tiny_folder, tmp_path / "model", CHANGES[reason])
    with pytest.raises(ModelRefused, match=reason):
        load_model(str(folder), None, torch.device("cpu"), torch.float32)


def test_a_folder_without_weights_is_refused(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(ModelRefused, match="cannot be loaded"):
        load_model(str(tmp_path / "model"), None, torch.device("cpu"), torch.float32)


def test_weights_that_the_share_of_the_card_cannot_hold_are_refused(tiny_folder):
    with pytest.raises(ModelRefused, match=r"gpu\.max_share"):
        load_model(str(tiny_folder), None, torch.device("cpu"), torch.float32, room_bytes=2**20)


def test_a_grammar_that_cannot_be_followed_is_refused_by_name(tiny):
    with pytest.raises(ModelRefused, match="odd"):
        Grammars(tiny, {"odd": {"type": "array", "uniqueItems": True, "items": {"type": "integer"}}})


def test_the_consumer_does_not_start_with_a_refused_model(tiny_folder, tmp_path):
    folder = changed(tiny_folder, tmp_path / "model", CHANGES["eager attention"])

    async def start():
        process = GpuProcess(settings(folder))
        try:
            await process.start(Opening(array("i"), {"verdict": SCHEMA}))
        finally:
            await process.close()

    with pytest.raises(StartRefused, match="attn_implementation"):
        asyncio.run(start())


def test_the_revision_of_a_folder_follows_its_weights(tiny, tiny_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    same = load_model(str(folder), None, torch.device("cpu"), torch.float32).revision
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[len(weights) // 2 + 7] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    other = load_model(str(folder), None, torch.device("cpu"), torch.float32).revision
    assert same == tiny.revision != other
