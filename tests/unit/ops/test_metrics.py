"""Definitions follow conventions, cheap histograms say what prometheus_client's would, known labels begin at 0."""

import math
import random
import re
import time
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from consumer.inference.ladder import Rung
from consumer.inference.work import MemoryReading, Phase
from consumer.ops.metrics import Metrics
from consumer.ops.metrics.definitions import SECONDS, Book
from consumer.ops.metrics.gpu import MEMORY_KINDS, PHASES, RUNGS
from consumer.ops.metrics.run import FAILURES, STAGES
from schemas import Decision, Reason

UNITS = ("seconds", "bytes", "ratio")


def samples(metrics: Metrics) -> dict[str, list]:
    return {family.name: family.samples for family in text_string_to_metric_families(metrics.exposition().decode())}


def test_every_definition_is_exported_with_its_kind_labels_and_meaning() -> None:
    metrics = Metrics()
    exported = {
        f"{family.name}_total" if family.type == "counter" else family.name: family
        for family in text_string_to_metric_families(metrics.exposition().decode())
    }
    for one in metrics.book.definitions:
        family = exported[one.name]
        assert family.type == one.kind, one.name
        assert family.documentation == one.meaning, one.name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(one.labels), one.name
    ours = {name for name in exported if name.startswith("advet_")}
    assert ours == {one.name for one in metrics.book.definitions}


def test_names_are_unique_and_end_in_their_base_unit() -> None:
    definitions = Metrics().book.definitions
    names = [one.name for one in definitions]
    assert len(names) == len(set(names))
    for one in definitions:
        assert re.fullmatch(r"advet(_[a-z]+)+", one.name), one.name
        for unit in UNITS:
            assert (unit in one.name.split("_")) == (one.unit == unit), one.name
        assert one.meaning.endswith("."), one.name


def test_a_counter_must_be_called_total() -> None:
    book = Book("test")
    with pytest.raises(ValueError, match="_total"):
        book.counter("advet_things", "things", "Things.")
    with pytest.raises(ValueError, match="_total"):
        book.gauge("advet_things_total", "things", "Things.")


def test_a_distribution_says_what_a_histogram_would() -> None:
    book, registry = Book("test"), CollectorRegistry()
    cheap = book.distribution("advet_some_seconds", "seconds", "Some.")
    labelled = book.distributions("advet_more_seconds", "seconds", "More.", "stage", ("fetch", "ocr"))
    usual = Histogram("advet_some_seconds", "Some.", buckets=SECONDS, registry=registry)
    also = Histogram("advet_more_seconds", "More.", ["stage"], buckets=SECONDS, registry=registry)
    also.labels("fetch")
    chance = random.Random(7)
    for seconds in [*SECONDS, 0.0, 1e9, *(chance.lognormvariate(-3, 3) for _ in range(500))]:
        for histogram in (cheap, labelled["ocr"], usual, also.labels("ocr")):
            histogram.observe(seconds)

    def said(text: bytes) -> dict:
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
        }

    ours, theirs = said(book.exposition()), said(generate_latest(registry))
    assert ours.keys() == theirs.keys()
    assert all(math.isclose(ours[key], theirs[key], rel_tol=1e-9) for key in ours)


def test_crashes_of_a_pool_are_read_at_the_scrape() -> None:
    class Workers:
        crashes = 0
        waiting = 3

    metrics, workers = Metrics(), Workers()
    metrics.watch_pool("decode", workers)
    for crashes in (0, 2):
        workers.crashes = crashes
        [counted] = samples(metrics)["advet_worker_crashes"]
        assert (counted.name, counted.labels, counted.value) == (
            "advet_worker_crashes_total",
            {"pool": "decode"},
            crashes,
        )
    [depth] = samples(metrics)["advet_queue_depth"]
    assert (depth.labels, depth.value) == ({"queue": "decode"}, 3)


def test_a_committed_record_has_an_age_and_a_time_to_publish() -> None:

    metrics, now = Metrics(), time.time()
    metrics.committed(int((now - 90) * 1000), now - 2)
    metrics.committed(int((now + 60) * 1000), now + 60)  # a producer whose clock is ahead
    ages, publishing = metrics.terminal_age_seconds.cumulated(), metrics.stages["publish"].cumulated()
    assert 90 <= ages[1] < 91
    assert 2 <= publishing[1] < 3
    assert dict(ages[0])["60.0"] == 1
    assert dict(ages[0])["+Inf"] == 2


def test_labels_that_are_known_are_those_of_the_code() -> None:
    assert set(PHASES) == set(get_args(Phase))
    assert set(RUNGS) == {rung.value for rung in Rung} - {"batch"}
    assert all(hasattr(MemoryReading, kind) for kind in MEMORY_KINDS)
    assert set(FAILURES) == set(Reason) - {Reason.UNKNOWN}
    assert set(Metrics().verdicts) == set(Decision) - {Decision.UNKNOWN}
    assert set(Metrics().stages) == set(STAGES)


def test_what_alerts_count_is_there_before_it_happens() -> None:
    """`increase` does not see the first of a series that was not there before."""
    exported = samples(Metrics())
    for name, label, values in (
        ("advet_dead_letters", "reason", {reason.value for reason in FAILURES}),
        ("advet_verdicts", "decision", {"approve", "reject", "review"}),
        ("advet_gpu_ooms", "phase", set(PHASES)),
        ("advet_gpu_rungs", "rung", set(RUNGS)),
        ("advet_paused", "reason", {"records", "bytes", "storage", "breaker", "gpu_memory", "gpu_worker"}),
    ):
        assert {sample.labels[label] for sample in exported[name]} >= values, name
        assert {sample.value for sample in exported[name]} == {0.0}, name
