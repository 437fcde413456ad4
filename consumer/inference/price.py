"""What a launch costs in bytes of device memory, beyond weights and shared prefix. Pure.

A launch goes: vision, in calls of at most `vision_patches` patches, whose tokens stay; one allocation of K/V for all
ads; prefill, in calls of at most `prefill_tokens` tokens; decode, all ads together. Nothing is padded. So every phase
costs what stays (per visual token, per kept token, per ad), what its largest call needs, and a constant.

`fit` finds the coefficients in calibration launches; `Correction` follows, while ads are judged, what they miss.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from consumer.inference.least_squares import bounded_least_squares
from consumer.inference.work import Phase, PhaseBytes, Shape


class VisionCost(NamedTuple):
    """Bytes while the vision tower runs."""

    visual_token: float = 0.0
    """Per visual token of the launch: what the tower has put out."""
    call_patch: float = 0.0
    """Per patch of the largest call."""
    fixed: float = 0.0


class PrefillCost(NamedTuple):
    """Bytes while prompts are read."""

    visual_token: float = 0.0
    kept_token: float = 0.0
    """Per token of the launch whose K/V is kept: prompts and room for answers."""
    call_token: float = 0.0
    """Per token of the largest call."""
    ad: float = 0.0
    fixed: float = 0.0


class DecodeCost(NamedTuple):
    """Bytes while answers are written."""

    kept_token: float = 0.0
    ad: float = 0.0
    fixed: float = 0.0


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Prices of one model on one device, and the call sizes they hold for."""

    vision_patches: int
    prefill_tokens: int
    vision: VisionCost
    prefill: PrefillCost
    decode: DecodeCost

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "vision_patches": self.vision_patches,
            "prefill_tokens": self.prefill_tokens,
            "vision": self.vision._asdict(),
            "prefill": self.prefill._asdict(),
            "decode": self.decode._asdict(),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; raises KeyError or TypeError when `raw` is nothing of the kind."""
        return cls(
            vision_patches=raw["vision_patches"],
            prefill_tokens=raw["prefill_tokens"],
            vision=VisionCost(**raw["vision"]),
            prefill=PrefillCost(**raw["prefill"]),
            decode=DecodeCost(**raw["decode"]),
        )


def calls(sizes: Sequence[int], limit: int) -> Iterator[slice]:
    """How pieces of work are cut into calls: in order, at most `limit` in sum; a larger piece is alone."""
    start, filling = 0, 0
    for index, size in enumerate(sizes):
        if filling and filling + size > limit:
            yield slice(start, index)
            start, filling = index, 0
        filling += size
    if sizes:
        yield slice(start, len(sizes))


@dataclass(frozen=True, slots=True)
class Load:
    """A launch that grows ad by ad; a step takes no longer for the ads that are there already."""

    coefficients: Coefficients
    ads: int = 0
    visual_tokens: int = 0
    kept_tokens: int = 0
    filling_patches: int = 0
    """Of the vision call that the next picture may join."""
    call_patches: int = 0
    """Of the largest vision call."""
    filling_tokens: int = 0
    call_tokens: int = 0

    def plus(self, shape: Shape) -> "Load":
        """With one more ad behind the others."""
        filling_patches, call_patches = self.filling_patches, self.call_patches
        for patches in shape.patches:
            filling_patches = _join(filling_patches, patches, self.coefficients.vision_patches)
            call_patches = max(call_patches, filling_patches)
        filling_tokens = _join(self.filling_tokens, shape.prompt_tokens, self.coefficients.prefill_tokens)
        return Load(
            self.coefficients,
            self.ads + 1,
            self.visual_tokens + shape.visual_tokens,
            self.kept_tokens + shape.prompt_tokens + shape.output_tokens,
            filling_patches,
            call_patches,
            filling_tokens,
            max(self.call_tokens, filling_tokens),
        )

    @property
    def bytes(self) -> PhaseBytes:
        """Predicted peak of each phase; 0 for one that does not run."""
        prices = self.coefficients
        return PhaseBytes(
            vision=_cost(self._vision_units, prices.vision) if self.visual_tokens else 0,
            prefill=_cost(self._prefill_units, prices.prefill) if self.ads else 0,
            decode=_cost(self._decode_units, prices.decode) if self.ads else 0,
        )

    @property
    def _vision_units(self) -> VisionCost:
        return VisionCost(self.visual_tokens, self.call_patches, 1)

    @property
    def _prefill_units(self) -> PrefillCost:
        return PrefillCost(self.visual_tokens, self.kept_tokens, self.call_tokens, self.ads, 1)

    @property
    def _decode_units(self) -> DecodeCost:
        return DecodeCost(self.kept_tokens, self.ads, 1)


def price(shapes: Sequence[Shape], coefficients: Coefficients) -> PhaseBytes:
    """Predicted peaks of a launch of these ads, in this order."""
    return _load(shapes, coefficients).bytes


def _load(shapes: Sequence[Shape], coefficients: Coefficients) -> Load:
    load = Load(coefficients)
    for shape in shapes:
        load = load.plus(shape)
    return load


def _join(filling: int, size: int, limit: int) -> int:
    return size if filling + size > limit else filling + size


def _cost(units: Sequence[float], prices: Sequence[float]) -> int:
    return math.ceil(sum(unit * each for unit, each in zip(units, prices, strict=True)))


def fit(samples: Sequence[tuple[Sequence[Shape], PhaseBytes]], known: Coefficients) -> Coefficients:
    """The coefficients that explain calibration launches best, none below `known`, none of the launches underpriced.

    `known`: call sizes, and what is certain of the model without measuring (K/V and visual tokens that are kept).
    A phase of which nothing was observed (0 bytes everywhere) keeps its known prices.
    """
    loads = [_load(shapes, known) for shapes, _ in samples]
    seen = [peaks for _, peaks in samples]
    return Coefficients(
        known.vision_patches,
        known.prefill_tokens,
        VisionCost(*_fitted([load._vision_units for load in loads], [p.vision for p in seen], known.vision)),
        PrefillCost(*_fitted([load._prefill_units for load in loads], [p.prefill for p in seen], known.prefill)),
        DecodeCost(*_fitted([load._decode_units for load in loads], [p.decode for p in seen], known.decode)),
    )


def _fitted(units: Sequence[Sequence[float]], peaks: Sequence[int], known: Sequence[float]) -> Sequence[float]:
    """Least squares of the relative error, then raised until no launch costs more than predicted."""
    observed = [(row, peak) for row, peak in zip(units, peaks, strict=True) if peak > 0]
    if not observed:
        return known
    rows = [[unit / peak for unit in row] for row, peak in observed]
    prices = bounded_least_squares(rows, [1.0] * len(rows), known)
    lift = max(1.0, *(peak / max(1, _cost(row, prices)) for row, peak in observed))
    return [each * lift for each in prices]


class Correction:
    """Observed over predicted, by phase and size of the launch: an upper quantile that forgets.

    Never below 1, so that it only makes launches smaller; never above `BOUND`, so that one odd launch cannot
    stop the stream.
    """

    BOUND: Final = 2.0
    MISS: Final = 1.25
    """What a launch that ran out of memory is taken to have cost beyond its corrected price."""

    def __init__(self, window: int = 64, quantile: float = 0.95) -> None:
        self._window = window
        self._quantile = quantile
        self._ratios: dict[tuple[Phase, int], deque[float]] = {}
        self._factors: dict[Phase, dict[int, float]] = {}

    def apply(self, predicted: PhaseBytes) -> PhaseBytes:
        """The price to go by. Monotone: a larger launch never costs less for its size having a better record."""
        return PhaseBytes(
            vision=self._corrected("vision", predicted.vision),
            prefill=self._corrected("prefill", predicted.prefill),
            decode=self._corrected("decode", predicted.decode),
        )

    def observe(self, predicted: PhaseBytes, observed: PhaseBytes) -> None:
        """Notes a launch that went through; `predicted` as `Load.bytes` said it."""
        self._note("vision", predicted.vision, observed.vision)
        self._note("prefill", predicted.prefill, observed.prefill)
        self._note("decode", predicted.decode, observed.decode)

    def miss(self, predicted: PhaseBytes, phase: Phase) -> None:
        """Notes a launch whose reservation held, and which then ran out of memory in `phase`."""
        match phase:
            case "vision":
                self._note(phase, predicted.vision, math.ceil(self.MISS * self.apply(predicted).vision))
            case "prefill":
                self._note(phase, predicted.prefill, math.ceil(self.MISS * self.apply(predicted).prefill))
            case "decode":
                self._note(phase, predicted.decode, math.ceil(self.MISS * self.apply(predicted).decode))
            case "reserve":
                pass

    def _note(self, phase: Phase, predicted: int, observed: int) -> None:
        if predicted <= 0 or observed <= 0:
            return
        bits = predicted.bit_length()
        ratios = self._ratios.setdefault((phase, bits), deque(maxlen=self._window))
        ratios.append(observed / predicted)
        upper = sorted(ratios)[math.ceil(self._quantile * len(ratios)) - 1]
        factors = self._factors.setdefault(phase, {})
        if upper > 1.0:
            factors[bits] = min(self.BOUND, upper)
        else:
            factors.pop(bits, None)

    def _corrected(self, phase: Phase, size_bytes: int) -> int:
        corrected = size_bytes
        for bits, factor in self._factors.get(phase, {}).items():
            if bits <= size_bytes.bit_length():
                corrected = max(corrected, math.ceil(min(size_bytes, 2**bits - 1) * factor))
        return corrected
