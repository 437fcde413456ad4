"""Attention over packed sequences: one contract, a CUDA kernel and plain arithmetic behind it.

Sequences lie one behind the other, without padding. Both implementations give the logarithm of the softmax's
denominator as well, so that attention over a shared prefix and over a row's own keys can be merged exactly.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from consumer.inference.gpu.upload import upload

_BLOCK_SCORES: Final = 2**14
"""Scores the reference holds at once, so that its memory grows with the sequence, not with its square."""
_KERNEL_HEAD_MULTIPLE: Final = 8
_KERNEL_HEAD_LIMIT: Final = 256


@dataclass(frozen=True, slots=True)
class Spans:
    """Which queries see which keys: sequence i owns queries `queries[i]:queries[i+1]` and keys from `keys[i]` on."""

    queries: Tensor
    """int32 [sequences + 1], on the device, rising."""
    keys: Tensor
    """int32 [sequences + 1], on the device: the first key of each sequence."""
    used: Tensor | None
    """int32 [sequences]: how many keys of each sequence count; None: up to the next sequence's first."""
    longest_queries: int
    longest_keys: int

    @classmethod
    def packed(cls, lengths: Sequence[int], device: torch.device) -> "Spans":
        """Sequences whose queries and keys are the same tokens."""
        bounds = upload([0, *itertools.accumulate(lengths)], torch.int32, device)
        return cls(bounds, bounds, None, max(lengths), max(lengths))

    @classmethod
    def shared(cls, queries: int, keys: int, device: torch.device) -> "Spans":
        """Every query sees all keys."""
        bounds = upload([[0, queries], [0, keys]], torch.int32, device)
        return cls(bounds[0], bounds[1], None, queries, keys)


class Attention(Protocol):
    """`query` [queries, heads, dim], `key` and `value` [keys, key heads, dim]; consecutive heads share a key head.

    Returns the output, shaped and typed as `query`, and the log-sum-exp, float32 [heads, queries]. `causal`: query i
    of a sequence sees its keys up to i, and a sequence has as many keys as queries.
    """

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, spans: Spans, *, causal: bool
    ) -> tuple[Tensor, Tensor]: ...


def attention_for(device: torch.device, dtype: torch.dtype, head_sizes: Sequence[int]) -> Attention:
    """The kernel where it can run; elsewhere (CPU, float32, odd heads) the arithmetic it is tested against."""
    fits = all(size % _KERNEL_HEAD_MULTIPLE == 0 and size <= _KERNEL_HEAD_LIMIT for size in head_sizes)
    if device.type == "cuda" and dtype in (torch.bfloat16, torch.float16) and fits:
        return flash
    return reference


def flash(query: Tensor, key: Tensor, value: Tensor, spans: Spans, *, causal: bool) -> tuple[Tensor, Tensor]:
    """FlashAttention as torch ships it: CUDA, 16 bits, grouped heads, keys in place."""
    # the aten operator, not varlen_attn: torch 2.11's wrapper has neither used keys nor grouped heads
    output, denominator, *_ = torch.ops.aten._flash_attention_forward(
        query, key, value, spans.queries, spans.keys, spans.longest_queries, spans.longest_keys,
        0.0, causal, False, seqused_k=spans.used,
    )  # fmt: skip
    return output, denominator


def reference(query: Tensor, key: Tensor, value: Tensor, spans: Spans, *, causal: bool) -> tuple[Tensor, Tensor]:
    """Plain arithmetic in float32, sequence by sequence, a block of queries at a time. Any device."""
    output = torch.empty_like(query, memory_format=torch.contiguous_format)
    denominator = query.new_empty((query.shape[1], query.shape[0]), dtype=torch.float32)
    query_bounds, key_bounds = spans.queries.tolist(), spans.keys.tolist()
    used = spans.used.tolist() if spans.used is not None else [b - a for a, b in itertools.pairwise(key_bounds)]
    for (start, stop), first_key, keys in zip(itertools.pairwise(query_bounds), key_bounds[:-1], used, strict=True):
        segment = slice(first_key, first_key + keys)
        step = max(1, _BLOCK_SCORES // (query.shape[1] * keys))
        for at in range(start, stop, step):
            block = slice(at, min(at + step, stop))
            output[block], denominator[:, block] = _attend_block(
                query[block], key[segment], value[segment], at - start if causal else None
            )
    return output, denominator


def _attend_block(query: Tensor, key: Tensor, value: Tensor, first: int | None) -> tuple[Tensor, Tensor]:
    """`first`: the place of the first query in its sequence, when later keys are hidden."""
    queries, heads, dim = query.shape
    groups = heads // key.shape[1]
    grouped = query.float().view(queries, key.shape[1], groups, dim).permute(1, 2, 0, 3)
    scores = grouped @ key.float().permute(1, 2, 0).unsqueeze(1) * dim**-0.5
    if first is not None:
        places = torch.arange(first, first + queries, device=query.device)
        hidden = torch.arange(key.shape[0], device=query.device) > places[:, None]
        scores.masked_fill_(hidden, -torch.inf)
    denominator = scores.logsumexp(-1)
    output = (scores - denominator.unsqueeze(-1)).exp_() @ value.float().permute(1, 0, 2).unsqueeze(1)
    return output.permute(2, 0, 1, 3).reshape(queries, heads, dim).to(query.dtype), denominator.reshape(heads, queries)


def merge(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
    """Attention over two sets of keys from the attention over each; exact up to rounding in the outputs' precision."""
    share = torch.sigmoid(first[1] - second[1]).t().unsqueeze(-1)
    return torch.lerp(second[0], first[0], share.to(first[0].dtype))
