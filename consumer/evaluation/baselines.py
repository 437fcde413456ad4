"""Judges that look at nothing. What the rules are worth is what they are better by. Pure."""

from collections.abc import Iterable

from consumer.evaluation.items import Item
from consumer.evaluation.judge import Judged
from schemas import Decision


def always(decision: Decision, items: Iterable[Item]) -> list[Judged]:
    """The same decision for every ad, and no reason given."""
    return [Judged(item.id, decision) for item in items]
