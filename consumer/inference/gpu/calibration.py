"""Start-up: kernels are warmed up, then launches of chosen shapes are measured, and prices fitted to their peaks.

Every price in the fit is of this model, this precision and these kernels on this device.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import torch

from consumer.inference.gpu.device import Device
from consumer.inference.gpu.model import Model
from consumer.inference.gpu.oom import Shortage, catching
from consumer.inference.gpu.payload import Item
from consumer.inference.gpu.phases import Phases
from consumer.inference.gpu.positions import MERGE
from consumer.inference.gpu.runner import CallLimits, Runner
from consumer.inference.memory import available
from consumer.inference.price import Coefficients, DecodeCost, PrefillCost, VisionCost, fit, price
from consumer.inference.work import PhaseBytes, Shape

Sample = tuple[Sequence[Shape], PhaseBytes]

_ANSWER_TOKENS: Final = 128
_STEPS: Final = 3
"""Decoding needs its most memory from the first step on."""
_SMALL: Final = Shape((64,), 32, _ANSWER_TOKENS)
_ALLOWANCE: Final = 1.25
"""On predictions from the few launches measured so far."""


def known(model: Model, limits: CallLimits) -> Coefficients:
    """What follows from the model without measuring: keys, values and visual embeddings that are kept."""
    visual, kv = float(model.hidden_size * model.dtype.itemsize), float(model.kv_bytes)
    return Coefficients(
        vision_patches=limits.vision_patches,
        prefill_tokens=limits.prefill_tokens,
        vision=VisionCost(visual_token=visual),
        prefill=PrefillCost(visual_token=visual, kept_token=kv),
        decode=DecodeCost(kept_token=kv),
    )


class Calibration:
    """`warm_up`, then `coefficients`."""

    def __init__(self, runner: Runner, model: Model, device: Device, limits: CallLimits, grammar: str) -> None:
        self._runner = runner
        self._model = model
        self._device = device
        self._limits = limits
        self._grammar = grammar

    def warm_up(self) -> None:
        """Loads kernels and the workspaces of libraries, which are then no launch's cost. Out of memory is raised."""
        for shapes in ([_SMALL], [_SMALL] * 3):
            self._launch(shapes)

    def coefficients(self, max_share: float) -> Coefficients:
        """Prices from every launch that has room now. Out of memory in the smallest one is raised."""
        floor = known(self._model, self._limits)
        samples: list[Sample] = [([_SMALL], self._launch([_SMALL]))]
        if not samples[0][1].peak:
            return floor  # nobody counts on this device: larger launches would say no more
        for shapes in launches(self._limits):
            predicted = price(shapes, fit(samples, floor)).peak
            if predicted * _ALLOWANCE > available(self._device.reading(), max_share):
                continue
            peaks = catching(partial(self._launch, shapes))
            self._device.release()
            if not isinstance(peaks, Shortage):  # a neighbour was faster; the other launches say enough
                samples.append((shapes, peaks))
        return fit(samples, floor)

    def _launch(self, shapes: Sequence[Shape]) -> PhaseBytes:
        items = [self._item(shape) for shape in shapes]
        phases = Phases(self._device)
        self._runner.run(items, phases, most_tokens=_STEPS)
        return phases.peaks

    def _item(self, shape: Shape) -> Item:
        grids = tuple(_grid(patches) for patches in shape.patches)
        placeholders = torch.full((shape.visual_tokens,), self._model.image_token, dtype=torch.int32)
        words = torch.arange(shape.text_tokens, dtype=torch.int32) % self._model.image_token
        values = self._model.vision.embedding.shape[1]
        pixels = torch.randint(0, 256, (sum(shape.patches), values), dtype=torch.uint8)
        return Item(self._grammar, torch.cat([placeholders, words]), pixels, grids, shape.output_tokens)


def launches(limits: CallLimits) -> Iterator[list[Shape]]:
    """From small to large, so that each of the quantities that a price depends on changes without the others."""
    patches, tokens = limits.vision_patches, limits.prefill_tokens
    yield [_text(64)] * 16
    yield [_picture(patches // 4)]
    yield [_text(tokens // 4)]
    yield [_picture(patches // 8)] * 4
    yield [_text(64)] * 48
    yield [_text(tokens)]
    yield [_picture(patches)]
    yield [_text(tokens // 4)] * 12
    yield [_picture(patches // 2), _text(tokens // 2)] * 4


def _text(tokens: int) -> Shape:
    return Shape((), tokens, _ANSWER_TOKENS)


def _picture(patches: int) -> Shape:
    return Shape((patches // MERGE**2 * MERGE**2,), 32, _ANSWER_TOKENS)


def _grid(patches: int) -> tuple[int, int]:
    """The squarest grid of exactly so many patches, both sides even."""
    blocks = patches // MERGE**2
    rows = next(side for side in range(int(blocks**0.5), 0, -1) if blocks % side == 0)
    return rows * MERGE, blocks // rows * MERGE
