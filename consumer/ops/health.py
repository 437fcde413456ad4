"""What the small HTTP port answers: probes for the orchestrator, metrics for Prometheus.

Answering at all is liveness: the server runs on the consumer's own event loop. Paused for memory, storage
or a full pipeline is live and ready; readiness falls while partitions are being activated and when
draining.
"""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from consumer.ops.metrics import Metrics

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Probes:
    """What the probes answer; called for every request."""

    started: Callable[[], bool]
    ready: Callable[[], bool]


def probes_and_metrics(probes: Probes, metrics: Metrics) -> Starlette:
    """`/livez`, `/startupz`, `/readyz` and `/metrics`."""

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
