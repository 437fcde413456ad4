"""Every metric of `advet run` is exported by a running consumer, and is moved by what it is about.

`MOVED` holds what one run moves, `ELSEWHERE` the tests of those that need a fault of their own: a metric that is in
neither, or is exported and never moves, fails here.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from consumer.kafka.delivery import reached_nothing
from consumer.kafka.transactions import Transactions, transactional_id
from consumer.ops.metrics import Metrics
from consumer.ops.metrics.run import STAGES
from tests.hostile import odd_but_valid_images
from tests.rig import Member, Rig, submission, wait_for

pytestmark = pytest.mark.kafka

HELD = 5
ADS = 12
"""Each of them with a picture."""


class Scrape:
    """What `/metrics` says at one moment."""

    def __init__(self, member: Member) -> None:
        families = list(text_string_to_metric_families(member.get("/metrics")[1]))
        self.names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
        self._samples = [sample for family in families for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum over series with these labels; fails when there are none."""
        found = [one.value for one in self._samples if one.name == name and labels.items() <= one.labels.items()]
        assert found, f"{name} {labels} is not exported"
        return sum(found)


Check = Callable[[Scrape], bool]

HELD_CHECKS: dict[str, Check] = {
    "advet_in_flight_records": lambda now: now("advet_in_flight_records") == HELD,
    "advet_in_flight_bytes": lambda now: now("advet_in_flight_bytes") > 100 * HELD,
    "advet_queue_depth": lambda now: (
        now("advet_queue_depth", queue="engine") == HELD
        and all(now("advet_queue_depth", queue=queue) >= 0 for queue in ("decode", "ocr", "transaction"))
    ),
    "advet_paused": lambda now: now("advet_paused", reason="gpu_memory") == 1 == now("advet_paused"),
    "advet_paused_partitions": lambda now: now("advet_paused_partitions") == 2,
}
"""While the engine holds ads and has no room."""

AFTER_CHECKS: dict[str, Check] = {
    "advet_records_total": lambda now: now("advet_records_total") == HELD + ADS + 8,
    "advet_verdicts_total": lambda now: (
        now("advet_verdicts_total", decision="approve") == HELD + ADS + 1
        and now("advet_verdicts_total", decision="reject") == 1
        and now("advet_verdicts_total", decision="review") == 1
    ),
    "advet_dead_letters_total": lambda now: (
        now("advet_dead_letters_total") == 4
        and now("advet_dead_letters_total", reason="creative_missing", stage="fetch") == 1
        and now("advet_dead_letters_total", reason="submission_invalid", stage="read") == 1
        and now("advet_dead_letters_total", reason="internal_error", stage="judge") == 1
        and now("advet_dead_letters_total", reason="oom_exhausted", stage="admit") == 1
    ),
    "advet_withdrawals_total": lambda now: now("advet_withdrawals_total") == 1,
    "advet_attempts_total": lambda now: now("advet_attempts_total", error="ZeroDivisionError") == 3,
    "advet_stage_seconds": lambda now: (
        all(now("advet_stage_seconds_count", stage=stage) >= ADS for stage in STAGES)
        and all(now("advet_stage_seconds_sum", stage=stage) > 0 for stage in STAGES)
        and now("advet_stage_seconds_count", stage="publish") == HELD + ADS + 7
        and now("advet_stage_seconds_count", stage="queue") == HELD + ADS + 7
    ),
    "advet_terminal_age_seconds": lambda now: (
        now("advet_terminal_age_seconds_count") == HELD + ADS + 7 and now("advet_terminal_age_seconds_sum") > 0
    ),
    "advet_transactions_total": lambda now: now("advet_transactions_total") > 1,
    "advet_transaction_seconds": lambda now: (
        now("advet_transaction_seconds_count") == now("advet_transactions_total")
        and now("advet_transaction_seconds_sum") > 0
    ),
    "advet_info": lambda now: now("advet_info", engine="fixed-time", model="none", policy="0") == 1,
    "advet_worker_crashes_total": lambda now: (
        now("advet_worker_crashes_total", pool="decode") == 1 and now("advet_worker_crashes_total", pool="ocr") == 0
    ),
    "advet_event_loop_stall_seconds": lambda now: now("advet_event_loop_stall_seconds") >= 0.48,
    "advet_event_loop_lag_seconds": lambda now: (
        now("advet_event_loop_lag_seconds_bucket", le="+Inf") - now("advet_event_loop_lag_seconds_bucket", le="0.2")
        >= 1
    ),
}
"""When all is done, a decoder has been killed and the event loop was blocked for half a second."""

FENCED_CHECKS: dict[str, Check] = {
    "advet_rebalances_total": lambda now: now("advet_rebalances_total") == 2,
    "advet_rejoins_total": lambda now: now("advet_rejoins_total") == 1,
}
"""After somebody else has used the transactional id of a partition."""

ELSEWHERE = {
    "advet_claims_total": "tests/pipeline/test_operators.py",
    "advet_breaker_open": "tests/pipeline/test_operators.py",
    "advet_storage_out": "tests/pipeline/test_bad_input.py",
    "advet_transactions_lost_total": "tests/pipeline/test_probes.py",
    "advet_publish_retries_total": "tests/pipeline/test_probes.py",
}
"""And `advet_gpu_*` in tests/gpu/test_metrics.py, those of lag in tests/contracts and tests/pipeline/test_lag*.py."""


def ours() -> set[str]:
    return {
        one.name
        for one in Metrics().book.definitions
        if not one.name.startswith("advet_gpu_") and "partition" not in one.labels and one.part != "Lag of a partition"
    }


def test_every_metric_has_its_check():
    moved = HELD_CHECKS | AFTER_CHECKS | FENCED_CHECKS
    assert moved.keys() | ELSEWHERE.keys() >= ours()
    for name, path in ELSEWHERE.items():
        assert f'"{name}"' in Path(__file__).parents[2].joinpath(path).read_text(), name


@pytest.fixture
def rig(tmp_path, apache_kafka, weed_store):
    return Rig.make(
        tmp_path,
        apache_kafka.bootstrap,
        weed_store,
        partitions=2,
        delivery="exactly_once",
        creatives={"decoders": 1},
    )


def decoder_of(pid: int) -> int:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            if b"decode_worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
    raise AssertionError("no decoder runs")


def fence(rig: Rig, partition: int) -> None:
    """Uses a partition's transactional id, as its next owner would."""

    async def use() -> None:
        tp = TopicPartition(rig.settings.topics.submissions, partition)
        kafka = rig.settings.kafka
        other = Transactions(kafka, tp, reached_nothing, identity=transactional_id(kafka.group, tp))
        await other.start()
        await other.stop()

    asyncio.run(use())


def settled(member: Member, checks: dict[str, Check]) -> None:
    """Waits until all hold together; else says which do not."""

    def failing() -> list[str]:
        now = Scrape(member)
        return [name for name, check in checks.items() if not check(now)]

    try:
        wait_for(lambda: not failing(), member, 20)
    except AssertionError:
        raise AssertionError(f"not moved: {failing()}\n{member.get('/metrics')[1]}") from None


def test_a_running_consumer_exports_every_metric_and_traffic_moves_it(rig, s3, tmp_path):
    hold, full = tmp_path / "hold", tmp_path / "full"
    s3.put_object(Bucket="ad-creatives", Key="seen.png", Body=odd_but_valid_images().popitem()[1].content)
    picture = {"asset_id": "p1", "kind": "image", "bucket": "ad-creatives", "key": "seen.png"}
    with rig.member("observed", str(tmp_path)) as member:
        exported = Scrape(member).names
        assert exported >= {one.name for one in Metrics().book.definitions}

        hold.touch()
        rig.produce(submission(f"hold-{n}", text={"title": "hold"}) for n in range(HELD))
        wait_for(lambda: member.metric("advet_records_total") == HELD, member)
        full.touch()
        settled(member, HELD_CHECKS)
        full.unlink()
        hold.unlink()
        os.kill(decoder_of(member.process.pid), signal.SIGKILL)
        rig.produce(submission(n, creatives=[picture]) for n in range(ADS))
        told = {name: submission(name, text={"title": name}) for name in ("poison", "block", "oom", "best", "doubt")}
        rig.produce([*told.values(), submission("gone", creatives=[picture | {"key": "nowhere.png"}])])
        rig.produce([b"no event", (None, b"withdrawn", [])])
        outcomes = rig.collect(HELD + ADS + 7, member=member)
        assert len(outcomes) == HELD + ADS + 7
        settled(member, AFTER_CHECKS)
        fence(rig, 0)
        fence(rig, 1)
        rig.produce([submission("after")])
        settled(member, FENCED_CHECKS)
        assert len(rig.collect(HELD + ADS + 8, member=member)) == HELD + ADS + 8
        assert member.terminate() == 0
