"""`advet run` against `advet local`, driven by a client that is not ours: kcat, and S3 by boto3.

On Apache Kafka: the embedded broker does not speak kcat's dialect.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import botocore.config
import pytest

from tests.rig import Member, submission, wait_for

PICTURES = Path(__file__).parents[2] / "consumer" / "demo" / "pictures"


@pytest.fixture(scope="module")
def kcat() -> str:
    found = shutil.which("kcat")
    if found is None:
        if os.environ.get("CI") == "true":
            raise RuntimeError("kcat is missing: .ci/run installs it")
        pytest.skip("kcat is missing: apt-get install kcat")
    return found


@pytest.fixture
def local(work: Path) -> Iterator[dict]:
    """What `advet local` prints, while it runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "consumer", "local", "--broker", "kafka"],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=work,
    )
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()


@pytest.fixture
def member(work: Path, local: dict) -> Iterator[Member]:
    """The real consumer with the real judge."""
    log = work / "run.log"
    ports = ("--http-port", "0", "--admin-port", "0")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "consumer", "run", "--config", local["config"], *ports],
            stdout=subprocess.PIPE,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"ADVET_LOGS__FORMAT": "json"},
        )
    assert process.stdout is not None
    running = Member(process, log)
    running.wait_ready()
    yield running
    assert running.terminate() == 0
    assert process.stdout.read() == b"", "stdout is for data, and run has none"
    process.stdout.close()


@pytest.mark.kafka
def test_an_independent_client_gets_verdicts_and_dead_letters(kcat: str, local: dict, member: Member) -> None:
    """A clean text, a violating picture and a missing object, submitted and read without any code of advet."""
    s3 = boto3.client(
        "s3",
        endpoint_url=local["s3_endpoint"],
        aws_access_key_id=local["s3_access_key"],
        aws_secret_access_key=local["s3_secret_key"],
        region_name="us-east-1",
        config=botocore.config.Config(s3={"addressing_style": "path"}),
    )
    content = (PICTURES / "finance-guaranteed.webp").read_bytes()
    s3.put_object(Bucket=local["bucket"], Key="ads/fund.webp", Body=content)
    s3.close()
    creative = {"asset_id": "p1", "kind": "image", "bucket": local["bucket"]}
    events = [
        submission(1),
        submission(2, category="finance", text={}, creatives=[creative | {"key": "ads/fund.webp"}]),
        submission(3, creatives=[creative | {"key": "ads/none.png"}]),
    ]
    lines = "".join(f"{event['submission_id']}|{json.dumps(event, ensure_ascii=False)}\n" for event in events)
    produce = [kcat, "-b", local["kafka"], "-t", local["topics"]["submissions"], "-P", "-K", "|"]
    subprocess.run(produce, input=lines.encode(), check=True, timeout=30)

    def read(topic: str) -> list[dict]:
        command = [kcat, "-b", local["kafka"], "-t", local["topics"][topic], "-C", "-J", "-q", "-e"]
        shown = subprocess.run(
            [*command, "-X", "isolation.level=read_committed"], capture_output=True, check=True, timeout=30
        )
        return [json.loads(line) for line in shown.stdout.splitlines()]

    wait_for(lambda: len(read("verdicts")) == 2 and len(read("dead_letters")) == 1, member)
    verdicts = {record["key"]: json.loads(record["payload"]) for record in read("verdicts")}
    assert verdicts["s-1"]["decision"] == "approve"
    assert verdicts["s-2"]["decision"] == "reject"
    found = [violation for violation in verdicts["s-2"]["violations"] if violation["rule_id"] == "G15"]
    assert found
    assert all(violation["evidence"]["bbox"] and violation["legal_basis"] for violation in found)
    [letter] = read("dead_letters")
    headers = dict(zip(letter["headers"][::2], letter["headers"][1::2], strict=True))
    assert headers["advet-reason"] == "creative_missing"
    assert headers["__dlq.errors.topic"] == local["topics"]["submissions"]
    assert json.loads(letter["payload"])["submission_id"] == "s-3"
    assert read("oom_dead_letters") == []
