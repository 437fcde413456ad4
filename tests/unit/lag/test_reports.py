"""What consumers say about themselves."""

from datetime import UTC, datetime, timedelta

from consumer.lag.reports import Reports
from consumer.messages import Partition, RawRecord
from schemas.codec import encode
from schemas.consumer_report import ConsumerReport, report_key
from tests.unit.schemas.examples import document

from .sights import TOPIC, at

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def record(member: str, *, tombstone: bool = False, age_seconds: float = 0, **changes: object) -> RawRecord:
    report = ConsumerReport.model_validate(
        document("consumer_report.gpu")
        | {"group": "g", "member": member, "input": TOPIC, "reported_at": NOW - timedelta(seconds=age_seconds)}
        | changes
    )
    value = None if tombstone else encode(report)
    return RawRecord(Partition("ad-consumers", 0), 0, 0, report_key(report.group, member), value, ())


def noted(*records: RawRecord) -> Reports:
    reports = Reports("g", TOPIC)
    for one in records:
        reports.note(one)
    return reports


def test_pauses_and_owners_are_those_of_running_consumers() -> None:
    reports = noted(
        record("a", partitions=[{"number": 0, "paused": ["storage"]}, {"number": 1}]),
        record("b", partitions=[{"number": 2, "paused": ["gpu_memory", "records"]}]),
        record("dead", age_seconds=16, partitions=[{"number": 3, "paused": ["breaker"]}]),
        record("left", partitions=[{"number": 4, "paused": ["breaker"]}]),
        record("left", tombstone=True),
        record("stranger", group="other", partitions=[{"number": 5, "paused": ["breaker"]}]),
        record("elsewhere", input="other", partitions=[{"number": 6, "paused": ["breaker"]}]),
    )
    assert reports.paused(NOW.timestamp()) == {0: ("storage",), 2: ("gpu_memory", "records")}
    assert reports.held(NOW.timestamp()) == {at(0), at(1), at(2)}


def test_seconds_of_an_ad_are_the_mean_and_outlive_the_consumers() -> None:
    reports = noted(record("a", ad_seconds=0.2), record("b", ad_seconds=0.4), record("c", ad_seconds=None))
    assert abs((reports.ad_seconds(NOW.timestamp()) or 0) - 0.3) < 1e-9
    assert reports.ad_seconds(NOW.timestamp() + 60) == 0.4, "without consumers a scaler still needs to know"
    reports.note(record("b", tombstone=True))
    assert reports.ad_seconds(NOW.timestamp()) == 0.2
    assert noted().ad_seconds(NOW.timestamp()) is None


def test_what_cannot_be_read_counts_as_no_report() -> None:
    odd = record("a")
    broken = RawRecord(odd.partition, 1, 0, odd.key, b"{", ())
    assert noted(record("a"), broken).held(NOW.timestamp()) == frozenset()


def test_a_report_of_an_older_version_owns_nothing() -> None:
    old = document("consumer_report.gpu")
    del old["partitions"], old["ad_seconds"]
    report = ConsumerReport.model_validate(old)
    assert (report.partitions, report.ad_seconds) == ((), None)
