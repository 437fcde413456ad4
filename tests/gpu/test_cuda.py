"""The tiny model on a real card: the same answers as on the CPU, and memory given back."""

import gc

import pytest
import torch

from consumer.inference.gpu.decoding import Grammars
from consumer.inference.gpu.device import CudaDevice
from consumer.inference.gpu.model import load_model
from consumer.inference.gpu.oom import Shortage, catching
from consumer.inference.gpu.phases import Phases
from consumer.inference.gpu.runner import CallLimits, Runner
from tests.gpu.ads import SCHEMA, ad, tokens
from tests.gpu.stock import assert_greedy, load_stock, stock_logits

pytestmark = pytest.mark.gpu

LIMITS = CallLimits(1024, 512)
PREFIX_TOKENS = 40


@pytest.fixture(scope="module")
def card():
    return CudaDevice(0, 0.9)


def items(model):
    return [
        ad(model, 30, ((8, 12), (4, 4), (16, 6)), seed=1),
        ad(model, 11, seed=2),
        ad(model, 7, ((4, 20),), seed=3),
        ad(model, 600, ((40, 40),), seed=4, max_output=64),
    ]


def runner(model, grammars):
    made = Runner(model, grammars, LIMITS)
    made.set_prefix(tokens(model, PREFIX_TOKENS, seed=9))
    return made


def test_in_float32_every_token_is_the_stock_models_best(tiny_folder, card):
    model = load_model(str(tiny_folder), None, card.torch_device, torch.float32)
    grammars, stock = Grammars(model, {"verdict": SCHEMA}), load_stock(tiny_folder)
    prefix = tokens(model, PREFIX_TOKENS, seed=9)
    on_cpu = load_model(str(tiny_folder), None, torch.device("cpu"), torch.float32)
    answers = runner(model, grammars).run(items(model), Phases(card))
    for item, answer in zip(items(model), answers, strict=True):
        assert_greedy(grammars, "verdict", stock_logits(stock, on_cpu, prefix, item, answer.ids), answer.ids)


def test_in_bfloat16_the_kernels_choose_tokens_nearly_as_good_as_the_arithmetics(tiny_folder, card):
    model = load_model(str(tiny_folder), None, card.torch_device, torch.bfloat16)
    grammars, stock = Grammars(model, {"verdict": SCHEMA}), load_stock(tiny_folder)
    prefix = tokens(model, PREFIX_TOKENS, seed=9)
    on_cpu = load_model(str(tiny_folder), None, torch.device("cpu"), torch.float32)
    answers = runner(model, grammars).run(items(model), Phases(card))
    for item, answer in zip(items(model), answers, strict=True):
        scores = stock_logits(stock, on_cpu, prefix, item, answer.ids)
        assert_greedy(grammars, "verdict", scores, answer.ids, close=0.3)


def test_a_launch_gives_everything_back(tiny_folder, card):
    model = load_model(str(tiny_folder), None, card.torch_device, torch.bfloat16)
    engine = runner(model, Grammars(model, {"verdict": SCHEMA}))
    engine.run(items(model), Phases(card))
    gc.collect()
    before = card.allocated()
    engine.run(items(model), Phases(card))
    gc.collect()
    assert card.allocated() == before
    card.release()
    reading = card.reading()
    assert 0 < reading.free < reading.total
    assert reading.context > 0


def test_a_real_oom_is_a_shortage_with_its_size(card):
    total = card.reading().total
    shortage = catching(lambda: torch.empty(total, dtype=torch.uint8, device=card.torch_device))
    assert isinstance(shortage, Shortage)
    assert shortage.requested == pytest.approx(total, rel=0.01)


def test_a_phase_reports_its_peak(tiny_folder, card):
    model = load_model(str(tiny_folder), None, card.torch_device, torch.bfloat16)
    engine, phases = runner(model, Grammars(model, {"verdict": SCHEMA})), Phases(card)
    engine.run(items(model), phases)
    assert min(phases.peaks.vision, phases.peaks.prefill, phases.peaks.decode) > 0
