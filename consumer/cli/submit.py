"""`advet submit`: hand in an ad from local files, or an event as it is."""

import asyncio
import json
import sys
from pathlib import Path

import rich_click as click

from consumer.cli.options import category_option, settings_options, typed_submission, utf8_only
from consumer.settings import Loaded, Settings
from schemas import Category, Media


@click.command("submit")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@category_option
@click.option("--title", callback=utf8_only, help="Headline.")
@click.option("--body", callback=utf8_only, help="Running text.")
@click.option("--approval-number", callback=utf8_only, help="The ad's approval number, as registered.")
@click.option("--advertiser-id", callback=utf8_only, default="advet-submit", show_default=True, help="Who advertises.")
@click.option(
    "--media", type=click.Choice([m.value for m in Media]), default=Media.INTERNET.value, show_default=True,
    help="Where the ad will run.",
)  # fmt: skip
@click.option(
    "--event", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Send this event instead, byte for byte (- reads stdin).",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what was sent as one JSON object.")
@settings_options("kafka", "topics", "storage")
def submit_command(
    loaded: Loaded,
    files: tuple[Path, ...],
    event: Path | None,
    category: str | None,
    as_json: bool,
    **copy: str | None,
) -> None:
    """Upload pictures and submit an ad: `advet submit ad.png --category food`."""
    if event is not None:
        if files or category or copy["title"] or copy["body"] or copy["approval_number"]:
            raise click.UsageError("--event sends a whole event: leave out files, --category, --title and the like")
        value = sys.stdin.buffer.read() if str(event) == "-" else event.read_bytes()
        sent = asyncio.run(_send_event(loaded.settings, value))
    else:
        sent = asyncio.run(_send_files(loaded.settings, files, category, copy))
    if as_json:
        click.echo(json.dumps(sent, ensure_ascii=False))
    else:
        click.echo(f"submitted {sent['submission_id'] or 'an event without readable id'} to {sent['topic']}")


async def _send_event(settings: Settings, value: bytes) -> dict[str, object]:
    from consumer.submit import submit_event

    key = await submit_event(settings, value)
    return {"submission_id": key.decode() if key else None, "topic": settings.topics.submissions, "bytes": len(value)}


async def _send_files(
    settings: Settings, files: tuple[Path, ...], category: str | None, copy: dict[str, str | None]
) -> dict[str, object]:
    from consumer.submit import AdCopy, build_submission, new_submission_id, submit

    if category is None:
        raise click.UsageError("--category is needed: the law depends on what the ad sells")
    if not (files or (copy["title"] or "").strip() or (copy["body"] or "").strip()):
        raise click.UsageError("nothing to submit: give files, --title, --body, or --event")
    with typed_submission():
        outgoing = build_submission(
            new_submission_id(),
            [(_printable(path.name), path.read_bytes()) for path in files],
            AdCopy(
                Category(category),
                title=copy["title"],
                body=copy["body"],
                approval_number=copy["approval_number"],
                advertiser_id=copy["advertiser_id"] or "advet-submit",
                media=Media(copy["media"] or Media.INTERNET.value),
            ),
            bucket=settings.storage.buckets[0],
        )
    await submit(settings, [outgoing])
    return {
        "submission_id": outgoing.submission.submission_id,
        "topic": settings.topics.submissions,
        "creatives": [f"s3://{upload.bucket}/{upload.key}" for upload in outgoing.uploads],
    }


def _printable(name: str) -> str:
    """A file name as UTF-8 can carry it: Linux allows any bytes in one."""
    return name.encode(errors="replace").decode()
