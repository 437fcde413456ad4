"""The whole path with the GPU judge: real Kafka, real store, real processes, a tiny model on the CPU."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.processes import exists
from tests.rig import DEADLINE_SECONDS, Rig, submission, wait_for

pytestmark = pytest.mark.kafka
ADS = 24
KILLS = 3
WORKER = b"consumer.inference.gpu.worker"
PICTURES = Path(__file__).parents[2] / "consumer" / "demo" / "pictures"


@pytest.fixture
def rig(tmp_path, apache_kafka, weed_store, tiny_folder):
    gpu = {
        "model": str(tiny_folder), "device": "cpu", "max_visual_tokens": 128, "min_visual_tokens": 64,
        "max_output_tokens": 64, "preparers": 1, "max_batch": 8,
    }  # fmt: skip
    return Rig.make(
        tmp_path,
        apache_kafka.bootstrap,
        weed_store,
        delivery="exactly_once",
        engine={"name": "gpu"},
        gpu=gpu,
        ocr={"max_side": 640},
    )


def holders(pid: int) -> list[int]:
    """Children that hold the card."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            try:
                if WORKER in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
            except FileNotFoundError:
                continue
    return found


def test_every_ad_has_one_verdict_although_the_process_that_holds_the_card_is_killed(rig, s3):
    names = sorted(path.name for path in PICTURES.iterdir() if path.suffix == ".png")[:4]
    for name in names:
        s3.upload_file(str(PICTURES / name), "ad-creatives", f"gpu/{name}")

    def creatives(number: int) -> list[dict]:
        key = f"gpu/{names[number % len(names)]}"
        return [{"asset_id": "p1", "kind": "image", "bucket": "ad-creatives", "key": key}] if number % 3 == 0 else []

    sent = rig.produce(submission(f"gpu-{number}", creatives=creatives(number)) for number in range(ADS))
    chance = random.Random(20261122)
    with rig.member() as member:
        for kills in range(1, KILLS + 1):
            wait_for(lambda: member.metric("advet_gpu_reserved_bytes") > 0, member, 2 * DEADLINE_SECONDS)
            time.sleep(chance.uniform(0, 0.3))  # anywhere in a launch
            [holder] = wait_for(lambda: holders(member.process.pid), member)
            os.kill(holder, signal.SIGKILL)
            wait_for(lambda started=kills + 1: member.metric("advet_gpu_starts_total") == started, member)
        outcomes = rig.collect(ADS, 4 * DEADLINE_SECONDS, member)
        assert member.metric("advet_gpu_reserved_bytes") == 0
        left = [member.process.pid, *holders(member.process.pid)]
        assert member.terminate() == 0
    assert sorted(one.origin for one in outcomes) == sorted(sent)
    verdicts = [json.loads(one.value) for one in outcomes if one.reason is None]
    assert {one.reason for one in outcomes} <= {None, "worker_crash"}  # an ad may have been in flight at every kill
    assert len(verdicts) > ADS // 2
    for verdict in verdicts:
        assert verdict["engine"]["name"] == "gpu"
        assert "semantics_unchecked" not in verdict["degraded"]
    assert any(asset["visual_tokens"] for verdict in verdicts for asset in verdict["assets"])
    assert not any(map(exists, left))
