"""A dead letter's pictures: in the terminal itself where it can show them, else as files."""

import base64
import os
import sys
import tempfile
from pathlib import Path

import rich_click as click

from consumer.creatives.store import S3Store
from consumer.errors import PermanentError, StorageUnavailable
from consumer.replay.letters import Letter
from consumer.settings import StorageSettings
from schemas import CreativeRef
from schemas.cloudevents import EventInvalid, read_event
from schemas.codec import SubmissionMalformed, parse_submission

INLINE_TERMINALS = frozenset({"iTerm.app", "WezTerm"})
"""TERM_PROGRAM of terminals that understand OSC 1337."""


async def show_pictures(settings: StorageSettings, letter: Letter) -> None:
    """Each picture of the submission; one that cannot be fetched is said to be so."""
    try:
        event = read_event(letter.record.value or b"", letter.record.headers)
        refs = parse_submission(event.data).creatives
    except (EventInvalid, SubmissionMalformed) as error:
        raise click.ClickException(f"the event names no pictures that can be fetched: {error}") from error
    store = S3Store(settings)
    await store.start()
    try:
        for ref in refs:
            await _show(store, ref)
    finally:
        await store.close()


async def _show(store: S3Store, ref: CreativeRef) -> None:
    try:
        blob = await store.fetch(ref, _unlimited)
    except (PermanentError, StorageUnavailable) as error:
        click.echo(f"{ref.asset_id}: {error}", err=True)
        return
    try:
        content = blob.content.read()
    finally:
        blob.content.close()
    if sys.stdout.isatty() and os.environ.get("TERM_PROGRAM") in INLINE_TERMINALS:
        click.echo(inline_picture(content))
    else:
        suffix = Path(ref.key).suffix[:8]
        with tempfile.NamedTemporaryFile(prefix="advet-", suffix=suffix, delete=False) as file:
            file.write(content)
        click.echo(f"{ref.asset_id}: {file.name}", err=True)


def inline_picture(content: bytes) -> str:
    """The escape sequence that shows a picture in the terminal."""
    encoded = base64.b64encode(content).decode()
    return f"\x1b]1337;File=inline=1;size={len(content)}:{encoded}\x07"


async def _unlimited(size_bytes: int) -> None:
    """One picture at a time, and storage.max_object_bytes limits it."""
