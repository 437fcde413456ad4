"""A Qwen2-VL folder with random weights: to try, test and measure without a hub. Run by `advet bench make-model`.

The folder loads through transformers' Auto classes exactly as a downloaded model does: configuration, tokenizer,
picture processor, chat template and safetensors shards. Every weight is drawn with a variance of one over its
fan-in, so that signals keep their size through any depth and every input matters to the answer. Needs no GPU, and
memory for about two shards.
"""

import json
import math
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from safetensors.torch import save_file
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerBase,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
)

from consumer.errors import StartRefused
from consumer.inference.vocabulary import END_OF_TEXT, build_tokenizer, load_ranks

ShapeName = Literal["tiny", "7b"]
Progress = Callable[[int, int], None]
"""Called with the bytes of weights written so far and in all."""

MAX_POSITIONS: Final = 32_768
MIN_PIXELS: Final = 56 * 56
MAX_PIXELS: Final = 12_845_056
SHARD_BYTES: Final = 1024**3
"""A single larger tensor is a shard of its own."""
_SPREAD: Final = 0.1
_SHARPNESS: Final = 3.0
"""Of queries and keys: attention that looks at all tokens alike would tell the same of every ad."""


@dataclass(frozen=True, slots=True)
class _Shape:
    text: dict[str, object]
    vision: dict[str, object]
    dtype: torch.dtype
    vocab_size: int
    """Rows of the embedding: more than there are tokens, as in the released models."""
    ranks: int | None = None


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What was written."""

    folder: Path
    parameters: int
    weight_bytes: int


_SHAPES: Final[dict[ShapeName, _Shape]] = {
    "tiny": _Shape(
        text={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
        },
        vision={"depth": 2, "embed_dim": 32, "num_heads": 4, "hidden_size": 64, "mlp_ratio": 2},
        dtype=torch.float32,
        vocab_size=8_064,
        ranks=8_000,
    ),
    "7b": _Shape(
        text={
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        },
        vision={"depth": 32, "embed_dim": 1280, "num_heads": 16, "hidden_size": 3584, "mlp_ratio": 4},
        dtype=torch.bfloat16,
        vocab_size=152_064,
    ),
}


def write(shape: ShapeName, folder: Path, seed: int, progress: Progress) -> ModelFolder:
    """Writes the model; the same seed gives the same bytes. Raises StartRefused when the folder holds anything."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StartRefused(f"{folder} is not an empty folder; name another one")
    plan = _SHAPES[shape]
    tokenizer = build_tokenizer(load_ranks(plan.ranks))
    folder.mkdir(parents=True, exist_ok=True)
    config = _config(plan, tokenizer)
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS}
    Qwen2VLImageProcessor(size=size).save_pretrained(folder)
    GenerationConfig(
        bos_token_id=tokenizer.convert_tokens_to_ids(END_OF_TEXT),
        eos_token_id=[tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(END_OF_TEXT)],
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
    ).save_pretrained(folder)
    with torch.device("meta"):
        model = Qwen2VLForConditionalGeneration(config)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    weight_bytes = _write_weights(shapes, plan.dtype, folder, seed, progress)
    return ModelFolder(folder, sum(map(math.prod, shapes.values())), weight_bytes)


def _config(plan: _Shape, tokenizer: PreTrainedTokenizerBase) -> Qwen2VLConfig:
    end, end_of_turn = tokenizer.convert_tokens_to_ids(END_OF_TEXT), tokenizer.eos_token_id
    text = plan.text | {
        "vocab_size": plan.vocab_size,
        "max_position_embeddings": MAX_POSITIONS,
        "rms_norm_eps": 1e-6,
        "bos_token_id": end,
        "eos_token_id": end_of_turn,
        "pad_token_id": end,
    }
    config = Qwen2VLConfig(
        text_config=text,
        vision_config=plan.vision,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        bos_token_id=end,
        eos_token_id=end_of_turn,
        dtype=plan.dtype,
    )
    config.architectures = ["Qwen2VLForConditionalGeneration"]
    return config


def _write_weights(
    shapes: dict[str, torch.Size], dtype: torch.dtype, folder: Path, seed: int, progress: Progress
) -> int:
    shards = list(_shards(shapes, dtype))
    total = sum(_bytes(shape, dtype) for shape in shapes.values())
    free = shutil.disk_usage(folder).free
    if free < total:
        raise StartRefused(f"the weights need {total:,} bytes, {folder} has room for {free:,}; name another folder")
    written, weight_map = 0, {}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for number, names in enumerate(shards, start=1):
            file = "model.safetensors" if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
            drawn = threads.map(lambda name: _draw(name, shapes[name], dtype, seed), names)
            tensors = {}
            for name, tensor in zip(names, drawn, strict=True):
                tensors[name] = tensor
                weight_map[name] = file
                written += _bytes(shapes[name], dtype)
                progress(written, total)
            save_file(tensors, folder / file, metadata={"format": "pt"})
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return total


def _shards(shapes: dict[str, torch.Size], dtype: torch.dtype) -> Iterator[list[str]]:
    shard: list[str] = []
    shard_bytes = 0
    for name, shape in shapes.items():
        if shard and shard_bytes + _bytes(shape, dtype) > SHARD_BYTES:
            yield shard
            shard, shard_bytes = [], 0
        shard.append(name)
        shard_bytes += _bytes(shape, dtype)
    yield shard


def _bytes(shape: torch.Size, dtype: torch.dtype) -> int:
    return int(math.prod(shape) * dtype.itemsize)


def _draw(name: str, shape: torch.Size, dtype: torch.dtype, seed: int) -> torch.Tensor:
    """Each tensor from a stream of its own, so that its values do not depend on the order of writing."""
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))  # it heeds 32 bits only
    if len(shape) == 1:  # weights of norms, and biases: near what training starts from, but never without effect
        start = float(name.endswith("weight"))
        return torch.empty(shape, dtype=dtype).normal_(mean=start, std=_SPREAD, generator=generator)
    fan_in = 1 if "embed_tokens" in name else math.prod(shape[1:])
    sharpness = _SHARPNESS if name.endswith(("q_proj.weight", "k_proj.weight")) else 1.0
    return torch.empty(shape, dtype=dtype).normal_(std=sharpness * fan_in**-0.5, generator=generator)
