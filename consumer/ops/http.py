"""Serves an application on a port, on the consumer's own event loop, for as long as a block runs."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from starlette.applications import Starlette

from consumer.errors import StartRefused

log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the consumer: it drains before the port goes away."""
        yield


@asynccontextmanager
async def serving(name: str, host: str, port: int, application: Starlette) -> AsyncIterator[int]:
    """Listens until the block is left; yields the port, which is another than `port` when that is 0.

    `name` is the settings group that holds the port. Raises StartRefused when it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise StartRefused(
            f"cannot listen on {host}:{port} ({error.strerror}): set {name}.port to a free port, or 0"
        ) from error
    config = uvicorn.Config(
        application, log_level="error", log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        chosen = int(listening.getsockname()[1])
        log.info("listening", name=name, host=host, port=chosen)
        yield chosen
    finally:
        server.should_exit = True
        await running
