"""What the packed engine answers: the stock model's greedy answers, whatever the company, and always grammatical."""

import json
import random
from typing import Any

import jsonschema
import pytest
import torch

from consumer.inference.gpu.decoding import Grammars
from consumer.inference.gpu.device import CpuDevice
from consumer.inference.gpu.model import load_model
from consumer.inference.gpu.phases import Phases
from consumer.inference.gpu.runner import CallLimits, Runner
from tests.gpu.ads import SCHEMA, ad, tokens
from tests.gpu.stock import assert_greedy, load_stock, stock_logits

PREFIX_TOKENS = 40


def ads(model):
    """Text alone, one picture, several of unequal sizes and shapes, long and short answers."""
    return [
        ad(model, 30, ((8, 12), (4, 4), (16, 6)), seed=1),
        ad(model, 11, seed=2, max_output=64),
        ad(model, 7, ((4, 20),), seed=3, max_output=3),
        ad(model, 150, ((10, 10), (2, 2)), seed=4),
        ad(model, 90, seed=5, max_output=1),
        ad(model, 2, ((24, 24),), seed=6),
    ]


@pytest.fixture(scope="module")
def grammars(tiny):
    return Grammars(tiny, {"verdict": SCHEMA})


def runner(tiny, grammars, limits, prefix_tokens=PREFIX_TOKENS):
    made = Runner(tiny, grammars, limits)
    made.set_prefix(tokens(tiny, prefix_tokens, seed=9))
    return made


@pytest.mark.parametrize("prefix_tokens", [0, 1, PREFIX_TOKENS])
def test_every_token_is_the_stock_models_best(tiny, tiny_folder, grammars, prefix_tokens):
    stock, items = load_stock(tiny_folder), ads(tiny)
    answers = runner(tiny, grammars, CallLimits(200, 150), prefix_tokens).run(items, Phases(CpuDevice()))
    prefix = tokens(tiny, prefix_tokens, seed=9)
    for item, answer in zip(items, answers, strict=True):
        scores = stock_logits(stock, tiny, prefix, item, answer.ids)
        assert_greedy(grammars, "verdict", scores, answer.ids)


def test_in_bfloat16_tokens_are_nearly_as_good_as_the_stock_models_best(tiny, tiny_folder):
    halved = load_model(str(tiny_folder), None, torch.device("cpu"), torch.bfloat16)
    stock, items, grammars = load_stock(tiny_folder), ads(tiny), Grammars(halved, {"verdict": SCHEMA})
    answers = runner(halved, grammars, CallLimits(200, 150)).run(items, Phases(CpuDevice()))
    prefix = tokens(tiny, PREFIX_TOKENS, seed=9)
    for item, answer in zip(items, answers, strict=True):
        scores = stock_logits(stock, tiny, prefix, item, answer.ids)
        assert_greedy(grammars, "verdict", scores, answer.ids, close=0.3)


def test_company_and_order_do_not_change_an_answer(tiny, tiny_folder, grammars):
    stock, items, draw = load_stock(tiny_folder), ads(tiny), random.Random(20)
    prefix = tokens(tiny, PREFIX_TOKENS, seed=9)
    alone = [runner(tiny, grammars, CallLimits(4096, 4096)).run([item], Phases(CpuDevice()))[0] for item in items]
    for _ in range(8):
        order = draw.sample(range(len(items)), draw.randint(2, len(items)))
        limits = CallLimits(draw.choice([64, 300, 4096]), draw.choice([32, 200, 4096]))
        together = runner(tiny, grammars, limits).run([items[index] for index in order], Phases(CpuDevice()))
        for index, answer in zip(order, together, strict=True):
            if answer != alone[index]:  # only where two tokens are as good as each other
                scores = stock_logits(stock, tiny, prefix, items[index], answer.ids)
                assert_greedy(grammars, "verdict", scores, answer.ids)


def test_a_row_that_is_finished_leaves_the_others_alone(tiny, grammars):
    long = ad(tiny, 30, ((8, 8),), seed=7, max_output=100)
    short = [ad(tiny, 10, seed=seed, max_output=seed) for seed in range(1, 6)]
    lone = runner(tiny, grammars, CallLimits(4096, 4096)).run([long], Phases(CpuDevice()))[0]
    answers = runner(tiny, grammars, CallLimits(4096, 4096)).run([*short, long], Phases(CpuDevice()))
    assert [len(answer.ids) for answer in answers[:-1]] == [1, 2, 3, 4, 5]
    assert not any(answer.finished for answer in answers[:-1])
    assert answers[-1].finished
    assert answers[-1] == lone


SCHEMAS: dict[str, dict[str, Any]] = {
    "verdict": SCHEMA,
    "number": {"type": "integer", "minimum": 0, "maximum": 1000},
    "chinese": {"enum": ["通过", "人工复核", "拒绝"]},
    "boxes": {
        "type": "array",
        "maxItems": 3,
        "items": {"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "integer", "maximum": 999}},
    },
}


def test_random_weights_answer_every_schema_grammatically(tiny):
    limits = CallLimits(4096, 4096)
    engine = runner(tiny, Grammars(tiny, SCHEMAS), limits)
    items = [ad(tiny, 20 + seed, grammar=name, seed=seed, max_output=400) for name in SCHEMAS for seed in range(4)]
    for item, answer in zip(items, engine.run(items, Phases(CpuDevice())), strict=True):
        assert answer.finished or len(answer.ids) == 400
        if answer.finished:
            jsonschema.validate(json.loads(answer.text), SCHEMAS[item.grammar])


def test_an_answer_that_the_limit_cuts_is_not_finished(tiny, grammars):
    (answer,) = runner(tiny, grammars, CallLimits(4096, 4096)).run([ad(tiny, 9, max_output=4)], Phases(CpuDevice()))
    assert (answer.finished, len(answer.ids)) == (False, 4)
    assert answer.text.startswith('{"decision')
