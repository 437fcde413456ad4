"""What one partition may take, in which order it runs, and what a completion that comes too late does."""

import asyncio

import pytest

from consumer.kafka.assignment import ISOLATE_AT_STARTS, ISOLATED, Assignment, SkipRefused, State
from consumer.kafka.completion_map import WINDOW_OFFSETS, Coverage, decode, encode
from consumer.messages import Holding, Partition, RawRecord

PARTITION = Partition("ad-submissions", 0)


def record(offset: int, key: bytes | None = None) -> RawRecord:
    return RawRecord(PARTITION, offset, 0, key, b"ad", ())


def active(coverage: Coverage, suspects: int = 4) -> Assignment:
    assignment = Assignment(PARTITION)
    assignment.activate(coverage, suspects)
    return assignment


def test_an_assignment_begins_where_the_last_owner_ended():
    assignment = active(Coverage(10, frozenset({12})))
    assert assignment.state is State.ACTIVE
    assert (assignment.committed, assignment.ledger.low) == (10, 10)
    assert [assignment.take(record(offset)) for offset in (10, 11, 12, 13)] == [True, True, False, True]


def test_a_holding_says_why_nothing_is_read():
    assignment = Assignment(PARTITION)
    assert assignment.holding(()) == Holding(PARTITION, ("activating",))
    assignment.activate(Coverage(0), 4)
    assert assignment.holding(("storage", "records")).paused == ("records", "storage")
    assert assignment.holding(()).paused == ("window",)
    assignment.paused = False
    assert assignment.holding(("records",)).paused == (), "a pause so brief that it is read on"
    assignment.drain()
    assert assignment.holding(("storage",)).paused == ("draining",)
    suspected = active(Coverage(0, starts=ISOLATE_AT_STARTS))
    assert suspected.holding(()).paused == ("isolated",)


def test_nothing_is_taken_beyond_the_window_of_the_map():
    """The last offset inside the window can still be committed; the next one could not."""
    assignment = active(Coverage(100))
    assignment.take(record(100))
    last = 100 + WINDOW_OFFSETS - 1
    assert assignment.has_room(last)
    assert not assignment.has_room(last + 1)
    assignment.take(record(last))
    low, finished = assignment.ledger.after([last])
    assert decode(low, encode(Coverage(low, finished))).finished == {last}


def test_room_comes_back_when_the_lowest_record_is_finished():
    assignment = active(Coverage(0))
    assignment.take(record(0))
    assert not assignment.has_room(WINDOW_OFFSETS)
    assignment.finish(0)
    assert assignment.has_room(WINDOW_OFFSETS)


def test_a_gap_wider_than_the_window_stops_nobody():
    """Markers and compaction leave gaps: with nothing in flight no record lies between."""
    assignment = active(Coverage(0))
    assert assignment.has_room(10 * WINDOW_OFFSETS)
    assert assignment.ledger.low == 10 * WINDOW_OFFSETS


def test_a_gap_above_records_in_flight_counts_for_the_window():
    assignment = active(Coverage(0))
    assignment.take(record(0))
    assert not assignment.has_room(10 * WINDOW_OFFSETS)
    assert assignment.ledger.low == 0


@pytest.mark.parametrize(("starts", "isolated"), [(0, False), (1, False), (2, True), (3, True)])
def test_isolation_begins_after_some_starts_without_proof(starts, isolated):
    assignment = active(Coverage(0, starts=starts))
    assert assignment.isolated is isolated
    assert assignment.key_of(record(0, b"k")) == (ISOLATED if isolated else b"k")


def test_isolation_ends_when_all_suspects_are_finished():
    """No more than the suspects are taken while it lasts, and what an earlier owner finished is none of them."""
    assignment = active(Coverage(0, frozenset({1}), starts=ISOLATE_AT_STARTS), suspects=3)
    for offset in (0, 1, 2):
        assert assignment.has_room(offset)
        assignment.take(record(offset))
    assignment.finish(0)
    assignment.finish(2)
    assert assignment.isolated, "the third suspect has not run yet"
    assert assignment.has_room(3)
    assignment.take(record(3))
    assert not assignment.has_room(4)
    assert not assignment.proven(assignment.ledger.low)
    assignment.finish(3)
    assert not assignment.isolated
    assert assignment.has_room(4)
    assert assignment.proven(assignment.ledger.low)


def test_isolation_waits_for_the_last_suspect_in_flight():
    assignment = active(Coverage(0, starts=ISOLATE_AT_STARTS), suspects=2)
    assignment.take(record(0))
    assignment.take(record(1))
    assignment.finish(1)
    assert assignment.isolated
    assert not assignment.has_room(2)


def test_starts_are_forgotten_only_when_all_suspects_lie_below():
    """Records below the one that ends processes may finish first: that proves nothing."""
    assignment = active(Coverage(0, starts=1), suspects=2)
    for offset in (0, 4, 5):
        assignment.take(record(offset))
    assert [assignment.proven(low) for low in (0, 4, 5)] == [False, False, True]


def test_an_owner_that_has_caught_up_is_proven():
    assignment = active(Coverage(0, starts=ISOLATE_AT_STARTS))
    assert not assignment.proven(0)
    assignment.prove()
    assert assignment.proven(0)
    assert not assignment.isolated


def test_a_late_completion_of_an_ended_epoch_changes_nothing():
    assignment = active(Coverage(0))
    assignment.take(record(0))
    assignment.end()
    assignment.finish(0)
    assignment.finish(7)
    assert (assignment.ledger.low, assignment.ledger.in_flight) == (0, 1)


def test_what_finishes_while_draining_counts():
    assignment = active(Coverage(0))
    assignment.take(record(0))
    assignment.drain()
    assert assignment.state is State.DRAINING
    assignment.finish(0)
    assert assignment.ledger.low == 1


def test_an_ended_assignment_does_not_drain_again():
    assignment = active(Coverage(0))
    assignment.end()
    assignment.drain()
    assert assignment.state is State.ENDED


def test_the_end_cancels_what_runs():
    async def scenario() -> bool:
        assignment = active(Coverage(0))
        item: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(3600))
        assignment.items.add(item)  # type: ignore[arg-type]  # what it calls, a task has
        await asyncio.sleep(0)
        assignment.end()
        await asyncio.gather(item, return_exceptions=True)
        return item.cancelled()

    assert asyncio.run(scenario())


def test_each_assignment_has_an_epoch_of_its_own():
    assert Assignment(PARTITION).epoch < Assignment(PARTITION).epoch


def test_only_what_has_no_outcome_is_skipped():
    assignment = active(Coverage(5, frozenset({7})))
    for offset in (4, 7):
        with pytest.raises(SkipRefused):
            assignment.skip(offset, "broken")
    assignment.skip(5, "broken")
    assert assignment.skips == {5: "broken"}


def test_a_skip_cancels_the_judgement_and_nothing_else():
    """The cancellation is taken back: the item goes on, to its dead letter."""

    async def judge(assignment: Assignment, offset: int) -> str:
        this: asyncio.Task[None] | None = asyncio.current_task()
        assert this is not None
        assignment.begin_judging(offset, this)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if not assignment.cancelled_by_skip(offset):
                raise
        finally:
            assignment.end_judging(offset)
        await asyncio.sleep(0)
        return assignment.skips[offset]

    async def scenario() -> tuple[list[str | BaseException], bool]:
        assignment = active(Coverage(0))
        items = [asyncio.create_task(judge(assignment, offset)) for offset in (0, 1)]
        assignment.items.update(items)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assignment.skip(0, "broken")
        await items[0]
        still_running = not items[1].done()
        assignment.end()
        return list(await asyncio.gather(*items, return_exceptions=True)), still_running

    (skipped, ended), still_running = asyncio.run(scenario())
    assert skipped == "broken"
    assert still_running
    assert isinstance(ended, asyncio.CancelledError)


class Follower:
    """A record that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def cancel(self) -> None:
        self.told.append("cancel")

    def durable(self) -> None:
        self.told.append("durable")

    def abandon(self) -> None:
        self.told.append("abandon")


def test_a_record_is_told_once_that_its_outcome_is_durable():
    assignment, follower = active(Coverage(0)), Follower()
    assignment.take(record(0))
    assignment.take(record(1))
    assignment.hand_over(0, follower)
    assignment.finish(1)
    assert follower.told == []
    assignment.finish(0)
    assignment.end()
    assert follower.told == ["durable"]


def test_the_end_tells_those_that_are_judged_and_those_that_wait():
    assignment = active(Coverage(0))
    judged, waiting, dismissed = Follower(), Follower(), Follower()
    assignment.take(record(0))
    assignment.items |= {judged, dismissed}
    assignment.dismiss(dismissed)
    assignment.hand_over(0, waiting)
    assignment.end()
    assert (judged.told, waiting.told, dismissed.told) == (["cancel"], ["abandon"], [])
    assignment.finish(0)
    assert waiting.told == ["abandon"]


def test_quiet_is_when_nothing_is_judged_and_nothing_waits():
    async def scenario() -> list[bool]:
        assignment, follower = active(Coverage(0)), Follower()
        assignment.take(record(0))
        assignment.items.add(follower)
        assignment.hand_over(0, follower)
        quiet = asyncio.create_task(assignment.quiet())
        seen = []
        for step in (lambda: None, lambda: assignment.dismiss(follower), lambda: assignment.finish(0)):
            step()
            for _ in range(3):
                await asyncio.sleep(0)
            seen.append(quiet.done())
        await assignment.quiet()
        return seen

    assert asyncio.run(scenario()) == [False, False, True]


def test_quiet_waits_for_either():
    async def scenario() -> list[bool]:
        judged, waiting = active(Coverage(0)), active(Coverage(0))
        judged.items.add(Follower())
        waiting.hand_over(0, Follower())
        quiet = [asyncio.create_task(assignment.quiet()) for assignment in (judged, waiting)]
        await asyncio.sleep(0)
        done = [task.done() for task in quiet]
        for task in quiet:
            task.cancel()
        await asyncio.gather(*quiet, return_exceptions=True)
        return done

    assert asyncio.run(scenario()) == [False, False]


def test_quiet_comes_with_the_end():
    async def scenario() -> bool:
        assignment, follower = active(Coverage(0)), Follower()
        assignment.take(record(0))
        assignment.hand_over(0, follower)
        quiet = asyncio.create_task(assignment.quiet())
        await asyncio.sleep(0)
        assignment.end()
        async with asyncio.timeout(5):
            await quiet
        return True

    assert asyncio.run(scenario())
