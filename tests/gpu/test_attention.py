"""Attention over packed sequences: the arithmetic against torch's own, and the CUDA kernel against the arithmetic."""

import itertools

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from consumer.inference.gpu.attention import Spans, attention_for, flash, merge, reference

LENGTHS = (1, 5, 130, 2, 257)
HEADS = [(4, 2, 16), (28, 4, 128), (16, 16, 80)]


def packed(shape, queries, keys, seed=0, device="cpu", dtype=torch.float32):
    heads, key_heads, size = shape
    draw = torch.Generator().manual_seed(seed)
    shapes = ((queries, heads, size), (keys, key_heads, size), (keys, key_heads, size))
    return [torch.randn(shape, generator=draw).to(device, dtype) for shape in shapes]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("heads", HEADS)
def test_each_sequence_attends_to_itself_as_torch_computes_it(heads, causal):
    query, key, value = packed(heads, sum(LENGTHS), sum(LENGTHS))
    output, denominator = reference(query, key, value, Spans.packed(LENGTHS, torch.device("cpu")), causal=causal)
    bounds = [0, *itertools.accumulate(LENGTHS)]
    for start, stop in itertools.pairwise(bounds):
        q, k, v = (tensor[start:stop].transpose(0, 1)[None] for tensor in (query, key, value))
        expected = scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)[0].transpose(0, 1)
        torch.testing.assert_close(output[start:stop], expected)
    assert denominator.shape == (heads[0], sum(LENGTHS))


def test_attention_over_two_parts_merges_to_attention_over_the_whole():
    query, key, value = packed(HEADS[0], 7, 90)
    cpu = torch.device("cpu")
    whole, _ = reference(query, key, value, Spans.shared(7, 90, cpu), causal=False)
    parts = [
        reference(query, key[part], value[part], Spans.shared(7, size, cpu), causal=False)
        for part, size in ((slice(0, 40), 40), (slice(40, 90), 50))
    ]
    torch.testing.assert_close(merge(*parts), whole)


def stored(device):
    """Rows of one query each, in a slab with room behind every sequence."""
    firsts, used = [0, 200, 300, 950], [150, 1, 257, 40]
    queries, keys, counts = (
        torch.tensor(places, dtype=torch.int32, device=device) for places in ([0, 1, 2, 3, 4], [*firsts, 1000], used)
    )
    return Spans(queries, keys, counts, 1, max(used)), firsts, used


def test_a_row_sees_only_the_used_keys_of_its_sequence():
    spans, firsts, used = stored("cpu")
    query, key, value = packed(HEADS[0], 4, 1000)
    output, _ = reference(query, key, value, spans, causal=False)
    for row, (first, count) in enumerate(zip(firsts, used, strict=True)):
        keys = slice(first, first + count)
        alone = Spans.shared(1, count, torch.device("cpu"))
        expected, _ = reference(query[row : row + 1], key[keys], value[keys], alone, causal=False)
        torch.testing.assert_close(output[row : row + 1], expected)


def test_only_what_the_kernel_can_do_is_given_to_it():
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert attention_for(cuda, torch.bfloat16, (128, 80)) is flash
    assert attention_for(cuda, torch.float32, (128, 80)) is reference
    assert attention_for(cuda, torch.bfloat16, (128, 20)) is reference
    assert attention_for(cpu, torch.bfloat16, (128, 80)) is reference


CASES = {
    "packed": lambda device: (Spans.packed(LENGTHS, device), sum(LENGTHS), sum(LENGTHS), False),
    "packed, causal": lambda device: (Spans.packed(LENGTHS, device), sum(LENGTHS), sum(LENGTHS), True),
    "stored": lambda device: (stored(device)[0], 4, 1000, False),
    "one stored": lambda device: (
        Spans(
            torch.tensor([0, 1], dtype=torch.int32, device=device),
            torch.tensor([3, 900], dtype=torch.int32, device=device),
            torch.tensor([611], dtype=torch.int32, device=device),
            1,
            611,
        ),
        1,
        1000,
        False,
    ),
    "prefix, many": lambda device: (Spans.shared(300, 611, device), 300, 611, False),
    "prefix, one": lambda device: (Spans.shared(1, 611, device), 1, 611, False),
}


@pytest.mark.gpu
@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("case", CASES)
def test_the_kernel_computes_what_the_arithmetic_does(case, heads):
    device = torch.device("cuda", 0)
    spans, queries, keys, causal = CASES[case](device)
    query, key, value = packed(heads, queries, keys, device=device, dtype=torch.bfloat16)
    output, denominator = flash(query, key, value, spans, causal=causal)
    expected, expected_denominator = reference(query, key, value, spans, causal=causal)
    torch.testing.assert_close(output, expected, rtol=2e-2, atol=1e-2)
    torch.testing.assert_close(denominator, expected_denominator, rtol=1e-3, atol=1e-3)


@pytest.mark.gpu
def test_the_kernel_takes_views_as_the_layers_give_them():
    device = torch.device("cuda", 0)
    qkv = torch.randn(sum(LENGTHS), 28 + 8, 128, device=device, dtype=torch.bfloat16)
    query, key, value = qkv[:, :28], qkv[:, 28:32], qkv[:, 32:]
    spans = Spans.packed(LENGTHS, device)
    output, _ = flash(query, key, value, spans, causal=True)
    expected, _ = reference(query, key, value, spans, causal=True)
    torch.testing.assert_close(output, expected, rtol=2e-2, atol=1e-2)
