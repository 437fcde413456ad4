"""Keys and values: one slab a launch and one for the shared prefix, and how prefill and decode attend over them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from consumer.inference.gpu.attention import Attention, Spans, merge
from consumer.inference.gpu.model import Model
from consumer.inference.gpu.text import Attend


class KvSlab:
    """Keys and values of `tokens` slots in every layer, allocated once. `store`, `keys`, `values`."""

    def __init__(self, model: Model, tokens: int) -> None:
        text = model.text
        shape = (len(text.layers), 2, tokens, text.key_heads, text.head_size)
        self._slab = torch.empty(shape, dtype=model.dtype, device=model.device)

    @property
    def tokens(self) -> int:
        """Slots."""
        return int(self._slab.shape[2])

    def store(self, layer: int, slots: Tensor, key: Tensor, value: Tensor) -> None:
        """Puts rows of [n, key heads, size] into `slots`, int64 [n]."""
        self._slab[layer, 0].index_copy_(0, slots, key)
        self._slab[layer, 1].index_copy_(0, slots, value)

    def keys(self, layer: int) -> Tensor:
        """[slots, key heads, size], in place."""
        return self._slab[layer, 0]

    def values(self, layer: int) -> Tensor:
        """As `keys`."""
        return self._slab[layer, 1]


@dataclass(frozen=True, slots=True)
class Reach:
    """What the tokens of one forward pass see besides the shared prefix, and where their own keys go."""

    slots: Tensor
    """int64 [n]."""
    own: Spans
    shared: Spans | None
    """Over the prefix; None without one."""


def attend_fresh(attention: Attention, slab: KvSlab, prefix: KvSlab | None, reach: Reach) -> Attend:
    """Prefill: whole sequences, whose keys are exactly the ones just computed."""

    def attend(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        slab.store(layer, reach.slots, key, value)
        own = attention(query, key, value, reach.own, causal=True)
        return _with_prefix(attention, own, query, prefix, layer, reach.shared)

    return attend


def attend_stored(attention: Attention, slab: KvSlab, prefix: KvSlab | None, reach: Reach) -> Attend:
    """Decode: one token a sequence, which sees all of its sequence's keys in the slab."""

    def attend(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        slab.store(layer, reach.slots, key, value)
        own = attention(query, slab.keys(layer), slab.values(layer), reach.own, causal=False)
        return _with_prefix(attention, own, query, prefix, layer, reach.shared)

    return attend


def _with_prefix(
    attention: Attention,
    own: tuple[Tensor, Tensor],
    query: Tensor,
    prefix: KvSlab | None,
    layer: int,
    shared: Spans | None,
) -> Tensor:
    if prefix is None or shared is None:
        return own[0]
    return merge(own, attention(query, prefix.keys(layer), prefix.values(layer), shared, causal=False))
