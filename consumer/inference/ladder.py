"""What happens to an ad whose launch ran out of memory: a pure state machine, one `Standing` an ad.

    batch → half the batch → … → alone → alone at a smaller visual budget → exhausted
      └─ release: out of memory before anything was launched; costs nothing, admitted anew

The process behind has released everything and emptied its cache before it says that memory ran out. Launches with
others are at most log2 of the first batch, launches alone (tries) at most `MAX_TRIES`.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from consumer.inference.work import Phase

MAX_TRIES: Final = 3
FIRST_PAUSE_SECONDS: Final = 1.0


class Rung(StrEnum):
    """Names of the steps, in metrics and in dead letters."""

    BATCH = "batch"
    RELEASE = "release"
    HALVE = "halve"
    ALONE = "alone"
    SMALLER = "smaller"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an ad stands on the ladder, and so how it may be launched next."""

    rung: Rung = Rung.BATCH
    most: int | None = None
    """Largest batch that it may be part of; None: any."""
    tries: int = 0
    """Launches of it alone that ran out of memory."""
    pause_seconds: float = 0.0
    """To wait before it is offered again."""


SUSPECT: Final = Standing(Rung.ALONE, most=1)
"""An ad that may have killed a process: it runs alone from the start."""


def after_oom(standing: Standing, batch: int, phase: Phase) -> Standing:
    """The next rung of one ad, after its launch in a batch of `batch` ads ran out of memory in `phase`.

    On SMALLER the ad is to be prepared anew with fewer visual tokens; on EXHAUSTED it is a dead letter.
    """
    if phase == "reserve":
        rung = Rung.RELEASE if standing.rung is Rung.BATCH else standing.rung
        return replace(standing, rung=rung, pause_seconds=0.0)
    if batch > 1:
        most = batch // 2
        return Standing(Rung.HALVE if most > 1 else Rung.ALONE, most, standing.tries)
    tries = standing.tries + 1
    if tries >= MAX_TRIES:
        return Standing(Rung.EXHAUSTED, 1, tries)
    rung = Rung.SMALLER if tries == MAX_TRIES - 1 else Rung.ALONE
    return Standing(rung, 1, tries, pause_seconds=FIRST_PAUSE_SECONDS * 2 ** (tries - 1))
