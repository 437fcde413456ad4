"""What every contender but advet itself does with one event, and the task it is given.

`same` work is advet's own: the same checks of the event, the same verdict with the same headers, made with the same
package `schemas`. `bare` is the least that anybody would write. The difference between the two is the price of
checking; the difference between advet and a contender that does the `same` is the price of the stream.
"""

import hashlib
import io
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas import AdSubmission, AdVerdict, Decision, EngineFingerprint, JudgedAsset, RecordOrigin
from schemas.cloudevents import read_event
from schemas.codec import encode, parse_submission
from schemas.headers import verdict_headers

ENGINE = EngineFingerprint(name="null", model="none", revision="1")
POLICY_VERSION = "0"


@dataclass(frozen=True, slots=True)
class Task:
    """What the harness asks of a contender; on the wire a JSON file whose path is the only argument."""

    bootstrap: str
    group: str
    source: str
    target: str
    guarantee: str
    work: str
    concurrency: int
    linger_ms: int
    commit_seconds: float
    threads: int
    folder: str
    endpoint: str
    access_key: str
    secret_key: str
    judge_seconds: float = 0.0
    """Of advet's engine for each event, one after the other; 0: at once."""

    @classmethod
    def from_arguments(cls) -> "Task":
        return cls(**json.loads(Path(sys.argv[1]).read_text()))

    def write(self, path: Path) -> None:
        path.touch(mode=0o600)
        path.write_text(json.dumps({name: getattr(self, name) for name in self.__slots__}))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The record to produce."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Work:
    """Judges events; thread-safe."""

    def __init__(self, task: Task) -> None:
        self._bare = task.work == "bare"
        self._s3 = _client(task) if task.endpoint else None

    @property
    def blocks(self) -> bool:
        """Whether an event needs the store, so that judging it belongs on a thread."""
        return self._s3 is not None

    def judge(self, value: bytes, headers: Any, topic: str, partition: int, offset: int) -> Verdict:
        """Parse, fetch and inspect the creatives if there are any, null judgement."""
        if self._bare:
            return self._least(value, topic, partition, offset)
        event = read_event(value, headers)
        submission = parse_submission(event.data)
        assets = tuple(self._inspect(ref.asset_id, ref.bucket, ref.key) for ref in submission.creatives)
        verdict = _verdict(submission, hashlib.sha256(event.data).hexdigest(), assets, topic, partition, offset)
        return Verdict(
            submission.submission_id.encode(),
            encode(verdict),
            list(verdict_headers(verdict, submission.category, event.traceparent)),
        )

    def _least(self, value: bytes, topic: str, partition: int, offset: int) -> Verdict:
        event = json.loads(value)
        assets = [
            self._inspect(ref["asset_id"], ref["bucket"], ref["key"]).model_dump() for ref in event.get("creatives", ())
        ]
        origin = {"topic": topic, "partition": partition, "offset": offset}
        verdict = {"submission_id": event["submission_id"], "decision": "approve", "assets": assets, "origin": origin}
        return Verdict(event["submission_id"].encode(), json.dumps(verdict).encode(), [])

    def _inspect(self, asset_id: str, bucket: str, key: str) -> JudgedAsset:
        from PIL import Image

        if self._s3 is None:
            raise ValueError("this task has no store")
        content = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
        return JudgedAsset(asset_id=asset_id, sha256=hashlib.sha256(content).hexdigest(), width=width, height=height)


def _verdict(
    submission: AdSubmission,
    event_sha256: str,
    assets: tuple[JudgedAsset, ...],
    topic: str,
    partition: int,
    offset: int,
) -> AdVerdict:
    identity: Mapping[str, object] = {
        "event": event_sha256,
        "creatives": [[asset.asset_id, asset.sha256] for asset in assets],
        "policy": POLICY_VERSION,
        "engine": ENGINE.model_dump(mode="json"),
    }
    identified = hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return AdVerdict(
        verdict_id=identified,
        submission_id=submission.submission_id,
        revision=submission.revision,
        decision=Decision.APPROVE,
        assets=assets,
        policy_version=POLICY_VERSION,
        engine=ENGINE,
        origin=RecordOrigin(topic=topic, partition=partition, offset=offset),
        judged_at=datetime.now(UTC),
    )


def _client(task: Task) -> Any:
    import boto3
    import botocore.config

    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    config = botocore.config.Config(
        max_pool_connections=task.threads,
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=task.endpoint,
        region_name="us-east-1",
        aws_access_key_id=task.access_key,
        aws_secret_access_key=task.secret_key,
        config=config,
    )
