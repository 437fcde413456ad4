"""Puts the lag of a group together: Kafka's figures, the consumers' reports, dead letters and replays under way.

`looks` is what `advet lag` shows, watches and exports: one result every few seconds, over connections that are
renewed after a failure.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from consumer.errors import AdvetError
from consumer.kafka.group_lag import GroupLook, TopicSight, looking_at
from consumer.kafka.topics import Topic
from consumer.lag.figures import GroupLag, Run, assigned_partitions, notes_on, partition_lags
from consumer.lag.history import History
from consumer.lag.reports import Reports
from consumer.replay.index import ReplayIndex
from consumer.replay.plan import offsets_of
from consumer.replay.runs import ENDED
from consumer.settings import Settings

LAST_REPORTS = 2000
"""Offsets of the topic of reports that are read at first: every consumer writes one in a few seconds."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A look that failed."""

    error: AdvetError


class LagReader:
    """Looks over one set of connections; `history` may outlive it."""

    def __init__(self, settings: Settings, look: GroupLook, history: History) -> None:
        self._settings = settings
        self._look = look
        self._history = history
        self._reports = Reports(settings.kafka.group, settings.topics.submissions)
        self._replays = ReplayIndex(())

    async def read(self) -> GroupLag:
        """The lag now. Raises StreamBroken, StartRefused or GroupRefused."""
        names = self._settings.topics
        topics = await self._look.topics([names.consumers, names.replays, names.dead_letters, names.oom_dead_letters])
        if names.consumers in topics:
            async with aclosing(self._look.news(topics[names.consumers], LAST_REPORTS)) as news:
                async for record in news:
                    self._reports.note(record)
        sight = await self._look.group()
        now = sight.at_seconds
        paused = self._reports.paused(now)
        # a group that rebalances, and one broker always, does not say who owns what
        assigned = assigned_partitions(sight) or self._reports.held(now)
        self._history.add(sight, assigned, paused)
        missing = [name for name in (names.consumers, names.replays, *self._letters()) if name not in topics]
        notes = [f"{name}: no such topic; run `advet topics apply`" for name in missing]
        return GroupLag(
            group=self._settings.kafka.group,
            topic=names.submissions,
            at_seconds=now,
            state=sight.group.state,
            members=sight.group.members,
            partitions=partition_lags(sight, assigned, paused, self._history.rates(), self._history.stuck()),
            ad_seconds=self._reports.ad_seconds(now),
            retention_seconds=sight.retention_seconds,
            dead_letters=await self._dead_letters(topics),
            runs=await self._runs(topics),
            notes=(*notes, *notes_on(sight.partitions)),
        )

    def _letters(self) -> tuple[str, ...]:
        """Topics of dead letters beside the input, each once."""
        names = self._settings.topics
        return tuple(
            name for name in dict.fromkeys((names.dead_letters, names.oom_dead_letters)) if name != names.submissions
        )

    async def _dead_letters(self, topics: Mapping[str, Topic]) -> tuple[TopicSight, ...]:
        return tuple(await self._look.sizes(topics[name] for name in self._letters() if name in topics))

    async def _runs(self, topics: Mapping[str, Topic]) -> tuple[Run, ...]:
        topic = topics.get(self._settings.topics.replays)
        if topic is None:
            return ()
        async with aclosing(self._look.news(topic)) as news:
            async for record in news:
                self._replays.note(record)
        return tuple(
            [
                Run(
                    run.run_id,
                    run.status.value,
                    await self._look.left(run.group, offsets_of(run.scope)),
                    run.resubmitted,
                    run.quarantined,
                    sum(run.refused.values()),
                )
                for run in self._replays.runs.values()
                if run.status not in ENDED
            ]
        )


async def looks(settings: Settings, interval_seconds: float) -> AsyncGenerator[GroupLag | Unknown]:
    """A look, or why there is none, and again after each interval; never ends."""
    history = History(settings.lag.stuck_seconds)
    while True:
        try:
            async with looking_at(settings) as look:
                reader = LagReader(settings, look, history)
                while True:
                    yield await reader.read()
                    await asyncio.sleep(interval_seconds)
        except AdvetError as error:
            failed = Unknown(error)
        yield failed
        await asyncio.sleep(interval_seconds)
