"""`advet lag` beside the real consumer on Apache Kafka: figures, pauses, and what it says when Kafka is gone."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from consumer.local.apache_kafka import KafkaCluster
from tests.letters import of_all_reasons, send
from tests.rig import Member, Rig, submission, wait_for

pytestmark = pytest.mark.kafka


@pytest.fixture
def rig(tmp_path, apache_kafka, weed_store) -> Rig:
    return make(tmp_path, apache_kafka.bootstrap, weed_store)


def make(folder: Path, bootstrap: str, store, **tables) -> Rig:
    lag = {"port": 0, "interval_seconds": 1}
    return Rig.make(folder, bootstrap, store, partitions=2, delivery="exactly_once", lag=lag, **tables)


def start(rig: Rig, *arguments: str, **pipes) -> subprocess.Popen:
    """The installed command; without this shell's settings."""
    command = [str(Path(sys.executable).with_name("advet")), "lag", "--config", str(rig.config), *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ADVET_")} | {"COLUMNS": "140"}
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, **pipes)


def told(rig: Rig, *arguments: str, status: int = 0) -> str:
    process = start(rig, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    return str(out if status in (0, 3) else err)


def lag(rig: Rig) -> dict:
    found: dict = json.loads(told(rig, "--json"))
    return found


def oldest_seconds(rig: Rig) -> float:
    """Unix time of the first record in the input, by a client that is not ours."""

    async def read() -> float:
        topic, bootstrap = rig.settings.topics.submissions, rig.settings.kafka.bootstrap
        async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as reader:
            return float(min([(await reader.getone(tp)).timestamp for tp in reader.assignment()])) / 1000

    return asyncio.run(read())


class Exporter(Member):
    """`advet lag --serve` while it runs."""

    def wait_port(self) -> int:
        self.port = int(wait_for(lambda: re.search(r'"name": "lag", .*"port": (\d+)', self.log.read_text()), self)[1])
        return self.port

    def series(self, name: str) -> dict[str, float]:
        """Partition (or all labels, where there is none) → value."""
        found = re.findall(rf"^{name}\{{(.*)\}} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        numbers = [(re.search(r'partition="(\d+)"', labels), labels, value) for labels, value in found]
        return {match[1] if match else labels: float(value) for match, labels, value in numbers}


@contextmanager
def exporter(rig: Rig) -> Iterator[Exporter]:
    log = rig.folder / "lag.log"
    with log.open("wb") as output:
        running = Exporter(start(rig, "--serve", stdout=output, stderr=output), log)
    try:
        running.wait_port()
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()


def test_what_is_left_is_what_has_no_terminal_record(tmp_path, apache_kafka, weed_store, consumer_groups):
    """With ads finished out of order; Kafka's own tool counts from the lowest unfinished one."""
    rig = make(tmp_path, apache_kafka.bootstrap, weed_store, flow={"drain_seconds": 0.1})
    count = 400
    rig.produce(submission(n) for n in range(count))
    with rig.member("jitter", "3") as member:
        wait_for(lambda: member.metric("advet_verdicts_total") > 100, member)
        assert member.terminate() == 0
    outcomes = rig.collect(count, seconds=5)
    found = lag(rig)
    assert found["total"]["remaining"] == count - len(outcomes)
    theirs = consumer_groups.lag(rig.settings)
    assert {one["partition"]: one["offsets"] for one in found["partitions"]} == theirs
    assert found["total"]["remaining"] < sum(theirs.values()), "some had finished ahead"
    assert found["total"]["in_per_second"] == 0
    assert found["total"]["drain_seconds"] is None, "nobody drains it"


def test_without_a_consumer_age_is_within_a_second_of_the_truth(rig):
    rig.produce(submission(n) for n in range(20))
    first = oldest_seconds(rig)
    asked = time.time()
    found = lag(rig)
    at = datetime.fromisoformat(found["at"]).timestamp()
    assert asked < at < time.time()
    assert abs(found["total"]["oldest_record_age_seconds"] - (at - first)) < 0.1
    assert (found["total"]["remaining"], found["members"], found["state"]) == (20, [], "Dead")
    assert [one["assigned"] for one in found["partitions"]] == [False, False]
    with exporter(rig) as serving:
        wait_for(lambda: serving.series("advet_oldest_record_age_seconds"), serving)
        for _ in range(5):
            oldest = max(serving.series("advet_oldest_record_age_seconds").values())
            assert abs(oldest - (time.time() - first)) < 1
            time.sleep(0.3)  # scrapes fall between two looks
        assert sum(serving.series("advet_lag_records").values()) == 20
        assert serving.series("advet_group_state") == {f'group="{rig.settings.kafka.group}",state="Dead"': 1}
        assert serving.get("/livez") == (200, "ok\n")
        assert serving.terminate() == 0


def test_a_pause_is_shown_with_its_reason_by_consumer_and_exporter(rig, tmp_path):
    gate = tmp_path / "full"
    gate.touch()
    with rig.member("busy", str(gate)) as member, exporter(rig) as serving:
        rig.produce(submission(n) for n in range(40))
        wait_for(lambda: serving.series("advet_partition_paused") == {"0": 1, "1": 1}, serving, 30)
        found = lag(rig)
        assert [one["paused"] for one in found["partitions"]] == [["gpu_memory"], ["gpu_memory"]]
        assert found["total"]["remaining"] == 40
        assert found["state"] == "Stable"
        assert [m["partitions"] for m in found["members"]] == [[0, 1]]
        assert 'reason="gpu_memory"' in serving.get("/metrics")[1]
        assert re.search(r'advet_partition_paused\{.*reason="gpu_memory".*\} 1\.0', member.get("/metrics")[1])
        assert "paused: gpu_memory" in told(rig)

        gate.unlink()
        rig.collect(40, member=member)
        wait_for(lambda: sum(serving.series("advet_lag_records").values()) == 0, serving)
        wait_for(lambda: serving.series("advet_partition_paused") == {}, serving, 30)
        wait_for(lambda: Exporter.series(member, "advet_lag_records") == {"0": 0, "1": 0}, member, 30)
        for name in ("advet_lag_offsets", "advet_finished_records_total", "advet_appended_records_total"):
            assert Exporter.series(member, name) == serving.series(name)
        assert serving.series("advet_partition_assigned") == {"0": 1, "1": 1}
        assert set(serving.series("advet_retention_seconds").values()) == {7 * 24 * 3600}
        assert set(serving.series("advet_group_members").values()) == {1}
        assert member.terminate() == 0


def test_a_store_that_is_out_is_shown_and_what_it_will_take_to_catch_up(tmp_path, apache_kafka, weed_store):
    rig = make(tmp_path, apache_kafka.bootstrap, weed_store)
    port = re.sub(r'endpoint = ".*"', 'endpoint = "http://127.0.0.1:9"', rig.config.read_text())
    rig.config.write_text(port.replace("[storage]\n", "[storage]\nattempts = 1\n"))
    picture = {"asset_id": "p1", "kind": "image", "bucket": "ad-creatives", "key": "any.png"}
    free = tmp_path / "free"
    free.write_text("1000")
    with rig.member("device", str(free)) as member:
        rig.produce(submission(n, creatives=[picture]) for n in range(20))
        shown = r'advet_partition_paused\{.*reason="storage".*\} 1\.0'
        wait_for(lambda: re.search(shown, member.get("/metrics")[1]), member)
        wait_for(lambda: lag(rig)["partitions"][0]["paused"] == ["storage"], member)
        member.process.kill()
    total = lag(rig)["total"]
    assert (total["remaining"], total["gpu_seconds"]) == (20, 20 * 0.5)


def test_watching_writes_a_line_a_look_until_interrupted(rig):
    shown, terminal = pty.openpty()
    on_terminal = start(rig, "--watch", stdout=terminal)
    os.close(terminal)
    with (rig.folder / "watch.out").open("wb") as output:
        process = start(rig, "--watch", "--json", stdout=output)
    lines = lambda: (rig.folder / "watch.out").read_text().splitlines()  # noqa: E731
    try:
        wait_for(lambda: len(lines()) >= 2)
        rig.produce(submission(n) for n in range(7))
        wait_for(lambda: json.loads(lines()[-1])["total"]["remaining"] == 7)
        assert json.loads(lines()[0])["total"]["in_per_second"] is None, "one look tells no rate"
        wait_for(lambda: json.loads(lines()[-1])["total"]["in_per_second"] > 0)
        assert b"no consumer" in os.read(shown, 65536)
        for one in (process, on_terminal):
            one.send_signal(signal.SIGINT)
        assert (process.wait(20), on_terminal.wait(20)) == (130, 130)
    finally:
        os.close(shown)
        for one in (process, on_terminal):
            one.kill()
            one.wait()


def test_dead_letters_and_replays_that_have_not_ended(rig):
    send(rig.settings, of_all_reasons(rig.settings, 30))
    replay = [sys.executable, "-m", "consumer", "dlq", "replay", "--execute", "--reason", "slowly", "--rate", "1"]
    with (
        exporter(rig) as serving,
        subprocess.Popen(
            [*replay, "--config", str(rig.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as operator,
    ):
        try:
            letters = rig.settings.topics.dead_letters
            wait_for(lambda: f'topic="{letters}"' in serving.series("advet_dead_letter_topic_records"), serving)
            assert sum(serving.series("advet_dead_letter_topic_records").values()) == 30
            second = json.loads(told(rig, "--json", "--input", "oom_dead_letters"))
            memory = serving.series("advet_dead_letter_topic_records")[
                f'topic="{rig.settings.topics.oom_dead_letters}"'
            ]
            assert second["total"]["remaining"] == memory > 0
            assert [topic["topic"] for topic in second["dead_letters"]] == [rig.settings.topics.quarantine]
            assert 0 < serving.series("advet_dead_letter_topic_oldest_seconds")[f'topic="{letters}"'] < 300

            def progress(state: str) -> float:
                replays = serving.series("advet_replay_letters")
                return sum(value for labels, value in replays.items() if f'state="{state}"' in labels)

            wait_for(lambda: progress("resubmitted") >= 2, serving)
            [shown] = lag(rig)["replays"]
            assert (shown["status"], shown["resubmitted"] + shown["left"]) == ("running", 30)
        finally:
            operator.kill()


def test_topics_that_are_not_there_are_said_and_the_rest_is_shown(rig):
    rig.config.write_text(rig.config.read_text().replace('consumers = "consumers', 'consumers = "nowhere'))
    rig.produce([submission(0)])
    found = json.loads(told(rig, "--json", status=3))
    assert found["total"]["remaining"] == 1
    assert [note.partition("-")[0] for note in found["notes"]] == ["nowhere"]
    rig.config.write_text(rig.config.read_text().replace('submissions = "submissions', 'submissions = "nothing'))
    assert "no such topic" in told(rig, status=1)


def test_without_a_broker_it_says_so_and_exports_nothing(tmp_path, weed_store):
    """What was known before is no longer shown; when the broker is back it is."""
    cluster = asyncio.run(KafkaCluster.start(tmp_path / "kafka"))
    try:
        rig = make(tmp_path, cluster.bootstrap, weed_store)
        rig.produce(submission(n) for n in range(3))
        with exporter(rig) as serving:
            wait_for(lambda: sum(serving.series("advet_lag_records").values()) == 3, serving)
            assert sum(serving.series("advet_lag_reads_total").values()) >= 1
            cluster.kill(1)
            assert "cannot reach Kafka" in told(rig, status=4)
            wait_for(lambda: serving.series("advet_lag_records") == {}, serving)
            shown = {line.partition("{")[0] for line in serving.get("/metrics")[1].splitlines() if line[0] != "#"}
            assert shown <= {"advet_lag_reads_total", "advet_lag_reads_created"}
            assert serving.series("advet_lag_reads_total")['outcome="failed"'] >= 1
            assert serving.get("/livez")[0] == 200
            wait_for(lambda: '"lag_unknown"' in serving.log.read_text())
            asyncio.run(cluster.restart(1))
            wait_for(lambda: sum(serving.series("advet_lag_records").values()) == 3, serving)
            assert serving.terminate() == 0
    finally:
        cluster.kill_all()
