"""The small HTTP port: probes for the orchestrator, metrics for Prometheus.

Answering at all is liveness: the server runs on the consumer's own event loop. Paused for memory, storage
or a full pipeline is live and ready; readiness falls while partitions are being activated and when
draining.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from consumer.errors import StartRefused
from consumer.ops.metrics import Metrics
from consumer.settings import HttpSettings

log = structlog.get_logger(__name__)

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Probes:
    """What the probes answer; called for every request."""

    started: Callable[[], bool]
    ready: Callable[[], bool]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the consumer: it drains before the port goes away."""
        yield


@asynccontextmanager
async def http_port(settings: HttpSettings, probes: Probes, metrics: Metrics) -> AsyncIterator[int]:
    """Serves until the block is left; yields the port. Raises StartRefused when it cannot listen."""
    config = uvicorn.Config(
        _application(probes, metrics),
        log_level="error",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    try:
        listening = _listen(settings)
    except OSError as error:
        raise StartRefused(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): set http.port to a free port, or 0"
        ) from error
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        port = int(listening.getsockname()[1])
        log.info("http_listening", host=settings.host, port=port)
        yield port
    finally:
        server.should_exit = True
        await serving


def _listen(settings: HttpSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family)


def _application(probes: Probes, metrics: Metrics) -> Starlette:
    def probe(path: str, check: Callable[[], bool]) -> Route:
        async def answer(_request: Request) -> Response:
            return PlainTextResponse("ok\n") if check() else PlainTextResponse("not yet\n", status_code=503)

        return Route(path, answer)

    async def exposition(_request: Request) -> Response:
        return Response(metrics.exposition(), media_type=EXPOSITION)

    return Starlette(
        routes=[
            probe("/livez", lambda: True),
            probe("/startupz", probes.started),
            probe("/readyz", probes.ready),
            Route("/metrics", exposition),
        ]
    )
