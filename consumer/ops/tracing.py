"""Traces from submission to verdict, when `tracing.endpoint` is set. Otherwise nothing of OpenTelemetry is imported."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from consumer.errors import StartRefused
from consumer.settings import Settings

if TYPE_CHECKING:
    from consumer.ops.tracing_otel import Traces


@asynccontextmanager
async def tracing(settings: Settings) -> AsyncIterator["Traces | None"]:
    """Exports spans while the block runs, and for `FLUSH_SECONDS` at most after it; None when not configured.

    Raises StartRefused when the libraries are missing. A collector that is down costs spans, never the stream.
    """
    if settings.tracing.endpoint is None:
        yield None
        return
    try:
        from consumer.ops.tracing_otel import Traces
    except ModuleNotFoundError as error:
        raise StartRefused(
            f"tracing.endpoint is set, and {error.name} is not installed: pip install 'advet[tracing]', or unset it"
        ) from error
    traces = Traces(settings)
    try:
        yield traces
    finally:
        await traces.stop()
