"""`advet judge`: one ad from local files, through the same gate, decoder, engine and decision as the stream."""

import asyncio
import hashlib
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rich_click as click

from consumer.cli.options import category_option, settings_options, typed_submission, utf8_only
from consumer.cli.output import screen
from consumer.errors import PermanentError
from consumer.messages import Incoming, Partition, RawRecord
from consumer.settings import Loaded, Settings
from schemas import AdSubmission, AdVerdict
from schemas.codec import SubmissionMalformed, encode, parse_submission

NOWHERE = Partition("local", 0)


@click.command("judge")
@click.option(
    "--image", "images", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A picture of the ad; may be given more than once.",
)  # fmt: skip
@click.option("--title", callback=utf8_only, help="Headline.")
@click.option("--body", callback=utf8_only, help="Running text.")
@category_option
@click.option("--approval-number", callback=utf8_only, help="The ad's approval number, as registered.")
@click.option(
    "--submission",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A submission event instead; keys of its creatives are paths relative to it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as one JSON object.")
@settings_options("storage", "creatives", "ocr", "engine", "gpu", "policy", "logs")
def judge_command(loaded: Loaded, images: tuple[Path, ...], submission: Path | None, as_json: bool, **ad: Any) -> None:
    """Judge one ad from local files, without Kafka or S3."""
    from consumer.ops.logs import configure

    logs = loaded.settings.logs
    told = loaded.origins["logs.level"] != "default"
    configure(logs if told else logs.model_copy(update={"level": "warning"}))
    if submission and (images or any(ad.values())):
        raise click.UsageError("--submission is a whole event: leave out --image, --title and the like")
    event, files = _from_file(submission) if submission else _from_flags(images, **ad)
    try:
        verdict = asyncio.run(_judge(loaded.settings, event, files))
    except PermanentError as error:
        named = ", ".join(f"{name} is {path}" for name, path in files.items() if f" {name} " in error.message)
        which = f" ({named})" if named else ""
        raise click.ClickException(f"{error.reason} at {error.stage}: {error.message}{which}") from error
    if as_json:
        click.echo(encode(verdict))
        return
    from consumer.cli.render import render_verdict

    screen().print(render_verdict(verdict))


def _from_file(path: Path) -> tuple[AdSubmission, dict[str, Path]]:
    try:
        event = parse_submission(path.read_bytes())
    except SubmissionMalformed as error:
        raise click.UsageError(f"{path} is not a submission: {error}") from error
    return event, {ref.asset_id: path.parent / ref.key for ref in event.creatives}


def _from_flags(
    images: tuple[Path, ...],
    title: str | None,
    body: str | None,
    category: str | None,
    approval_number: str | None,
) -> tuple[AdSubmission, dict[str, Path]]:
    if category is None:
        raise click.UsageError("--category is needed: the law depends on what the ad sells")
    if not (images or (title or "").strip() or (body or "").strip()):
        raise click.UsageError("nothing to judge: give --image, --title or --body, or --submission")
    files = {f"image-{number}": path for number, path in enumerate(images, start=1)}
    creatives = [{"asset_id": name, "kind": "image", "bucket": "local", "key": name} for name in files]
    with typed_submission():
        event = AdSubmission.model_validate(
            {
                "submission_id": f"local-{uuid.uuid4()}",
                "revision": 1,
                "advertiser": {"id": "local"},
                "category": category,
                "text": {"title": title, "body": body},
                "creatives": creatives,
                "approval_number": approval_number,
                "submitted_at": datetime.now(UTC),
            }
        )
    return event, files


async def _judge(settings: Settings, event: AdSubmission, files: dict[str, Path]) -> AdVerdict:
    from consumer.app import build_parts, started
    from consumer.creatives.local_files import LocalFiles
    from consumer.creatives.outage import StorageWatch
    from consumer.ops.metrics import Metrics
    from consumer.outcome import Trial
    from consumer.pipeline import Pipeline, Stages

    metrics = Metrics()
    source = LocalFiles(files, settings.storage.max_object_bytes)
    value = encode(event)
    record = RawRecord(NOWHERE, 0, int(time.time() * 1000), event.submission_id.encode(), value, ())
    async with started(build_parts(settings, metrics)) as parts:
        watch = StorageWatch(source, settings.storage.probe_seconds, metrics)
        pipeline = Pipeline(settings, Stages(source, watch, parts), metrics)
        pipeline.budget.open(record, record.size_bytes)
        try:
            return await pipeline.judge(Incoming(record, event, hashlib.sha256(value).hexdigest(), None), Trial(record))
        finally:
            pipeline.budget.close(record)
