"""The language model over packed tokens, for prefill and decode alike; what differs is how a layer attends."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from consumer.inference.gpu.model import TextWeights
from consumer.inference.gpu.positions import rotary, rotate

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""Layer, query [n, heads, size], key and value [n, key heads, size] → [n, heads, size]."""


def rotary_table(weights: TextWeights, positions: Tensor) -> tuple[Tensor, Tensor]:
    """The table for tokens at `positions`, [3, n]; [n] where time, height and width are equal."""
    if positions.dim() == 1:
        angles = positions.unsqueeze(-1) * weights.frequencies
    else:
        angles = positions[weights.axes].t() * weights.frequencies
    return rotary(angles, weights.embedding.dtype, weights.rotary_scaling)


def run_layers(weights: TextWeights, hidden: Tensor, table: tuple[Tensor, Tensor], attend: Attend) -> Tensor:
    """Hidden states after the last layer, before the final norm, [n, hidden]; `hidden` is overwritten."""
    turned = weights.heads + weights.key_heads
    width = (hidden.shape[1],)
    for index, layer in enumerate(weights.layers):
        normed = functional.rms_norm(hidden, width, layer.input_norm, weights.norm_epsilon)
        qkv = functional.linear(normed, layer.qkv, layer.qkv_bias).view(len(hidden), -1, weights.head_size)
        rotated = rotate(qkv[:, :turned], table)
        output = attend(index, rotated[:, : weights.heads], rotated[:, weights.heads :], qkv[:, turned:])
        hidden.addmm_(output.flatten(1), layer.output.t())
        del normed, qkv, rotated, output  # the MLP's peak comes now
        normed = functional.rms_norm(hidden, width, layer.mlp_norm, weights.norm_epsilon)
        gate, up = functional.linear(normed, layer.gate_up).chunk(2, -1)
        functional.silu(gate, inplace=True).mul_(up)
        hidden.addmm_(gate, layer.down.t())
        del normed, gate, up
    return hidden


def logits(weights: TextWeights, hidden: Tensor) -> Tensor:
    """Scores of the next token, [n, vocabulary], from `run_layers`' states of the last tokens."""
    normed = functional.rms_norm(hidden, (hidden.shape[1],), weights.norm, weights.norm_epsilon)
    return functional.linear(normed, weights.head)


def embed(weights: TextWeights, ids: Tensor) -> Tensor:
    """Embeddings [n, hidden] of token ids [n]."""
    return torch.nn.functional.embedding(ids, weights.embedding)
