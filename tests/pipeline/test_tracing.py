"""Traces from submission to verdict, as a real collector gets them from a real consumer."""

import json
import os
import re
import subprocess
import sys
import time

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv.attributes import error_attributes

from tests.collector import Collector, attributes
from tests.hostile import odd_but_valid_images
from tests.rig import Member, Outcome, Rig, submission, wait_for

PARENT = "00f067aa0ba902b7"
STAGES = ("fetch", "decode", "ocr", "admission", "inference")
CLOUD = {"specversion": "1.0", "source": "/t", "type": "com.advet.submission.v1"}


def trace_of(number: int) -> str:
    return f"{number:032x}"


def sent(number: int, *, sampled: bool = True, **changes: object) -> tuple:
    """A submission that somebody has traced until here."""
    value = json.dumps(submission(number, **changes), ensure_ascii=False).encode()
    return value, b"s-%d" % number, [("traceparent", f"00-{trace_of(number)}-{PARENT}-0{int(sampled)}".encode())]


def continued(outcome: Outcome) -> tuple[str, str, str]:
    """Trace, span and flags that a reader of the outcome goes on from."""
    name = "traceparent" if outcome.reason is None else "advet-traceparent"
    [value] = [value for header, value in outcome.headers if header == name]
    version, trace, span, flags = value.decode().split("-")
    assert version == "00"
    return trace, span, flags


def by_key(outcomes: list[Outcome]) -> dict[bytes | None, Outcome]:
    found = {outcome.key: outcome for outcome in outcomes}
    assert len(found) == len(outcomes)
    return found


@pytest.fixture
def collector():
    with Collector.running() as collector:
        yield collector


def rig_of(folder, broker, store, delivery="at_least_once", **tracing: object) -> Rig:
    return Rig.make(folder, broker.bootstrap, store, partitions=1, delivery=delivery, tracing=tracing)


@pytest.mark.kafka
def test_a_trace_goes_from_the_submission_through_the_stages_to_the_verdict(
    tmp_path, apache_kafka, weed_store, s3, collector
):
    rig = rig_of(tmp_path, apache_kafka, weed_store, "exactly_once", endpoint=collector.endpoint, service="vetting")
    s3.put_object(Bucket="ad-creatives", Key="traced.png", Body=odd_but_valid_images().popitem()[1].content)
    picture = {"asset_id": "p1", "kind": "image", "bucket": "ad-creatives", "key": "traced.png"}
    structured = CLOUD | {"id": "1", "traceparent": f"00-{trace_of(3)}-{PARENT}-01", "data": submission(3)}
    rig.produce(
        [
            sent(1, creatives=[picture]),
            sent(2, text={"title": "oom"}),
            (json.dumps(structured).encode(), b"s-3", [("content-type", b"application/cloudevents+json")]),
            sent(4, sampled=False),
            (None, b"s-5", [("traceparent", f"00-{trace_of(5)}-{PARENT}-01".encode())]),
        ]
    )
    with rig.member("observed", str(tmp_path)) as member:
        outcomes = by_key(rig.collect(4, member=member))
        wait_for(lambda: member.metric("advet_withdrawals_total") == 1, member)
        assert member.terminate() == 0

    assert collector.services == {"vetting"}
    [process] = collector.named("process ", trace_of(1))
    assert process.kind == Span.SPAN_KIND_CONSUMER
    assert process.parent_span_id.hex() == PARENT
    assert process.status.code == Status.STATUS_CODE_UNSET
    assert attributes(process) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": rig.settings.topics.submissions,
        "messaging.destination.partition.id": "0",
        "messaging.consumer.group.name": rig.settings.kafka.group,
        "messaging.kafka.message.key": "s-1",
        "messaging.kafka.offset": 0,
        "messaging.kafka.message.tombstone": False,
        "messaging.message.body.size": len(sent(1, creatives=[picture])[0]),
        "advet.decision": "approve",
    }
    children = [span for span in collector.spans if span.parent_span_id == process.span_id]
    assert sorted(span.name for span in children) == sorted([*STAGES, f"send {rig.settings.topics.verdicts}"])
    for span in children:
        assert process.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= process.end_time_unix_nano
    times = {span.name: (span.start_time_unix_nano, span.end_time_unix_nano) for span in children}
    assert [times[stage] for stage in STAGES] == sorted(times[stage] for stage in STAGES)
    [send] = collector.named("send ", trace_of(1))
    assert send.kind == Span.SPAN_KIND_PRODUCER
    assert continued(outcomes[b"s-1"]) == (trace_of(1), send.span_id.hex(), "01")

    [failed] = collector.named("process ", trace_of(2))
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert attributes(failed)["error.type"] == "oom_exhausted"
    [letter] = collector.named("send ", trace_of(2))
    assert attributes(letter)["messaging.destination.name"] == rig.settings.topics.oom_dead_letters
    assert continued(outcomes[b"s-2"]) == (trace_of(2), letter.span_id.hex(), "01")
    assert ("traceparent", f"00-{trace_of(2)}-{PARENT}-01".encode()) in outcomes[b"s-2"].headers, "the original's"

    [inside] = collector.named("process ", trace_of(3))
    assert inside.parent_span_id.hex() == PARENT
    assert collector.named("", trace_of(4)) == [], "somebody has decided not to trace it"
    assert continued(outcomes[b"s-4"])[::2] == (trace_of(4), "00")
    [withdrawn] = collector.named("", trace_of(5))
    assert attributes(withdrawn)["messaging.kafka.message.tombstone"] is True

    known = {value for name, value in vars(messaging_attributes).items() if name.startswith("MESSAGING_")}
    known.add(error_attributes.ERROR_TYPE)
    used = {name for span in collector.spans for name in attributes(span) if not name.startswith("advet.")}
    assert used <= known


@pytest.mark.parametrize(("ratio", "traced"), [(0.0, 0), (1.0, 4)])
def test_submissions_that_say_nothing_begin_traces_at_the_ratio(
    ratio, traced, tmp_path, embedded_broker, weed_store, collector
):
    rig = rig_of(tmp_path, embedded_broker, weed_store, endpoint=f"{collector.endpoint}/", ratio=ratio)
    rig.produce([*(submission(n) for n in range(4)), sent(9)])
    with rig.member("fixed", "0") as member:
        outcomes = by_key(rig.collect(5, member=member))
        assert member.terminate() == 0
    fresh = {continued(outcomes[b"s-%d" % n])[0] for n in range(4)}
    assert len(fresh) == 4
    assert len([span for span in collector.named("process ") if span.trace_id.hex() in fresh]) == traced
    assert len(collector.named("process ", trace_of(9))) == 1


def test_a_collector_that_hangs_or_is_gone_stops_neither_stream_nor_shutdown(
    tmp_path, embedded_broker, weed_store, collector
):
    rig = rig_of(tmp_path, embedded_broker, weed_store, endpoint=collector.endpoint, ratio=1.0)
    collector.answers.clear()
    with rig.member("fixed", "0") as member:
        rig.produce(submission(n) for n in range(600))  # more than a batch of spans: the exporter wakes at once
        wait_for(collector.asked.is_set, member)
        assert len(rig.collect(600, member=member)) == 600
        began = time.monotonic()
        assert member.terminate() == 0
        assert time.monotonic() - began < 20
        assert "traces_lost" in member.log.read_text()
    gone = rig.config.read_text().replace(collector.endpoint, "http://127.0.0.1:1")
    rig.config.write_text(gone)
    with rig.member("fixed", "0") as member:
        rig.produce(submission(n) for n in range(600, 700))
        assert len(rig.collect(700, member=member)) == 700
        assert member.terminate() == 0


def test_a_record_that_a_person_skips_and_one_that_is_left_behind_end_their_spans(
    tmp_path, embedded_broker, weed_store, collector
):
    rig = rig_of(tmp_path, embedded_broker, weed_store, endpoint=collector.endpoint)
    (tmp_path / "hold").touch()
    [(partition, offset), _] = rig.produce([sent(n, text={"title": "hold"}) for n in (1, 2)])
    with rig.member("observed", str(tmp_path)) as member:
        wait_for(lambda: member.metric("advet_in_flight_records") == 2, member)
        port = wait_for(lambda: re.search(r'"name": "admin", .*"port": (\d+)', member.log.read_text()), member)[1]
        place = [rig.settings.topics.submissions, str(partition), str(offset), "--reason", "known bad"]
        skip = [sys.executable, "-m", "consumer", "skip", *place, "--admin-port", port, "--config", str(rig.config)]
        assert subprocess.run(skip, check=False, timeout=60).returncode == 0
        [skipped] = rig.collect(1, member=member)
        assert member.terminate() == 0
    [process], [send] = collector.named("process ", trace_of(1)), collector.named("send ", trace_of(1))
    assert attributes(process)["error.type"] == "skipped_by_operator"
    assert continued(skipped) == (trace_of(1), send.span_id.hex(), "01")
    [left] = collector.named("process ", trace_of(2))
    assert (left.status.code, left.status.message) == (Status.STATUS_CODE_ERROR, "left to the next owner")


def test_nothing_is_imported_unless_it_is_asked_for(tmp_path, embedded_broker, weed_store):
    rig = Rig.make(tmp_path, embedded_broker.bootstrap, weed_store, partitions=1)
    code = (
        "import sys; from tests.engines import main; main(sys.argv[1], 'fixed', '0'); "
        "print('imported:', [name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    log = tmp_path / "untraced.log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", code, str(rig.config)], stdout=output, stderr=output)
    member = Member(process, log)
    try:
        member.wait_ready()
        rig.produce([submission(1)])
        assert len(rig.collect(1, member=member)) == 1
        assert member.terminate() == 0
    finally:
        process.kill()
        process.wait()
    assert "imported: []" in log.read_text()


def test_a_missing_extra_is_named_before_anything_is_read(tmp_path):
    code = (
        "import asyncio, sys; sys.modules['opentelemetry'] = None\n"
        "from consumer.ops.tracing import tracing; from consumer.settings import load\n"
        "async def start():\n"
        "    async with tracing(load().settings): print('started')\n"
        "asyncio.run(start())"
    )
    environment = {**os.environ, "ADVET_TRACING__ENDPOINT": "http://127.0.0.1:1"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode != 0
    assert (
        "StartRefused: tracing.endpoint is set, and opentelemetry is not installed: pip install 'advet[tracing]'"
        in (run.stderr)
    )
    assert "started" not in run.stdout
