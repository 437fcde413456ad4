"""The time that is asked for, cut into steps."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from consumer.errors import AdvetError

MOST_STEPS = 300
"""More are no finer on a screen."""
STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)


class ReportRefused(AdvetError):
    """No report can be made; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Window:
    """`steps` steps that end at `until`. Values belong to the end of their step; number 0 is the moment before them."""

    until_seconds: float
    """Since 1970."""
    step_seconds: int
    steps: int

    @classmethod
    def between(cls, since: datetime, until: datetime, finest_seconds: float) -> "Window":
        """Covers the time with steps of at least `finest_seconds`. Raises ReportRefused."""
        asked_seconds = (until - since).total_seconds()
        if asked_seconds <= 0:
            raise ReportRefused(f"--from {since.isoformat()} is not before --to {until.isoformat()}")
        least_seconds = max(finest_seconds, asked_seconds / MOST_STEPS)
        if least_seconds > STEPS_SECONDS[-1]:
            raise ReportRefused(f"--from and --to are more than {MOST_STEPS} days apart: ask for less")
        step_seconds = next(step for step in STEPS_SECONDS if step >= least_seconds)
        return cls(until.timestamp(), step_seconds, max(1, math.ceil(asked_seconds / step_seconds)))

    @property
    def since_seconds(self) -> float:
        """Since 1970; at most a step before what was asked for."""
        return self.until_seconds - self.steps * self.step_seconds

    @property
    def seconds(self) -> int:
        """How long it is."""
        return self.steps * self.step_seconds

    def moments(self, zone: tzinfo = UTC) -> list[datetime]:
        """The end of every step, in order."""
        since = self.since_seconds
        return [datetime.fromtimestamp(since + number * self.step_seconds, zone) for number in range(1, self.steps + 1)]
