"""Which waiting ads go into the next launch: first come first served, while their price fits. Pure.

An ad that does not fit is passed over, but only so often (`max_passes`): then those behind wait for it. When it
does not fit even alone while another would, it is starved, and the caller makes it a dead letter. While nothing fits,
nothing is starved.
"""

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from consumer.inference.ladder import Standing
from consumer.inference.price import Coefficients, Correction, Load
from consumer.inference.work import PhaseBytes, Shape

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pricing:
    """Prices of the model that is loaded, as corrected until now."""

    coefficients: Coefficients
    correction: Correction

    def empty(self) -> Load:
        """A launch without ads."""
        return Load(self.coefficients)

    def peak(self, load: Load) -> int:
        """Bytes to reserve for a launch."""
        return self.correction.apply(load.bytes).peak

    def alone(self, shape: Shape) -> int:
        """Bytes to reserve for an ad alone."""
        return self.peak(self.empty().plus(shape))


@dataclass(eq=False, slots=True)
class Candidate(Generic[T]):
    """An ad that waits, with its place in the line, which it keeps over all its launches."""

    ad: T
    shape: Shape
    standing: Standing = field(default_factory=Standing)
    passed_over: int = 0
    """Launches that others behind it went into; kept over launches of its own, so that no ad comes back for ever."""
    place: int = -1
    """Given by the first `offer`."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Generic[T]):
    """Ads of one launch, in order. Its bytes stay reserved until it is given back."""

    candidates: tuple[Candidate[T], ...]
    predicted: PhaseBytes
    """Before correction; what `Correction.observe` compares with."""
    reserve_bytes: int


class Queue(Generic[T]):
    """`offer` … `unfit`, `starved`, `take`, `give_back`; or `withdraw`."""

    def __init__(self, max_batch: int, max_passes: int) -> None:
        self._max_batch = max_batch
        self._max_passes = max_passes
        self._waiting: list[Candidate[T]] = []
        self._launched: set[Batch[T]] = set()
        self._places = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def reserved_bytes(self) -> int:
        """Bytes of all batches that have not been given back."""
        return sum(batch.reserve_bytes for batch in self._launched)

    def offer(self, candidate: Candidate[T]) -> None:
        """Enters an ad: a new one at the end, one that was taken before at the place it had."""
        if candidate.place < 0:
            candidate.place = self._places
            self._places += 1
        insort(self._waiting, candidate, key=_place)

    def withdraw(self, candidate: Candidate[T]) -> None:
        """Takes an ad out that nobody waits for any more; nothing happens when it does not wait."""
        if candidate in self._waiting:
            self._waiting.remove(candidate)

    def clear(self) -> tuple[Candidate[T], ...]:
        """Takes all ads out that wait, and returns them."""
        waiting, self._waiting = tuple(self._waiting), []
        return waiting

    def starved(self, available_bytes: int, pricing: Pricing) -> tuple[Candidate[T], ...]:
        """Removes the ads whose ageing is spent and that do not fit even alone, if there are others that would."""
        if self._launched:
            return ()
        large = self._larger_than(available_bytes, pricing)
        if len(large) == len(self._waiting):
            return ()
        return self._remove(candidate for candidate in large if candidate.passed_over >= self._max_passes)

    def unfit(self, most_bytes: int, pricing: Pricing) -> tuple[Candidate[T], ...]:
        """Removes the ads that no longer fit even alone into the most there could ever be.

        Prices are corrected while ads wait; one that has outgrown the device would stop everything behind it.
        """
        return self._remove(self._larger_than(most_bytes, pricing))

    def take(self, available_bytes: int, pricing: Pricing) -> Batch[T] | None:
        """The next launch, reserved; None when nothing can be admitted."""
        room = available_bytes - self.reserved_bytes
        load, most = pricing.empty(), self._max_batch
        chosen: list[Candidate[T]] = []
        skipped: list[Candidate[T]] = []
        passed: list[Candidate[T]] = []
        for candidate in self._waiting:
            grown = load.plus(candidate.shape)
            allowed = min(most, candidate.standing.most or most)
            if len(chosen) < allowed and pricing.peak(grown) <= room:
                chosen.append(candidate)
                load, most = grown, allowed
                passed.extend(skipped)
                skipped.clear()
            elif candidate.passed_over >= self._max_passes:
                break
            else:
                skipped.append(candidate)
        if not chosen:
            return None
        for candidate in passed:
            candidate.passed_over += 1
        batch = Batch(self._remove(chosen), load.bytes, pricing.peak(load))
        self._launched.add(batch)
        return batch

    def give_back(self, batch: Batch[T]) -> None:
        """Ends a launch's reservation, however it went; raises KeyError when that was done before."""
        self._launched.remove(batch)

    def _larger_than(self, size_bytes: int, pricing: Pricing) -> list[Candidate[T]]:
        return [candidate for candidate in self._waiting if pricing.alone(candidate.shape) > size_bytes]

    def _remove(self, leaving: Iterable[Candidate[T]]) -> tuple[Candidate[T], ...]:
        removed = tuple(leaving)
        self._waiting = [candidate for candidate in self._waiting if candidate not in removed]
        return removed


def _place(candidate: Candidate[T]) -> int:
    return candidate.place
