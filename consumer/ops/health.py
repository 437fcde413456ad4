"""What the small HTTP port answers: probes for the orchestrator, metrics for Prometheus.

`/livez` is the event loop's heartbeat and nothing else: the server runs on that loop, so answering at all is the
answer. Kafka, storage and memory never end a process that can wait for them. `/startupz`: brokers tried, models loaded
and warmed up. `/readyz`: in the group, all that was assigned can be read, not draining, breaker closed. Paused for
memory, storage or a full pipeline is ready.

When the brokers are gone, `/readyz` falls after `kafka.session_timeout_seconds` without an answer of the group's
coordinator and a heartbeat (a sixth of that, 3 s at most): until then the member may still be in its group.
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


def probes_and_metrics(probes: Probes, metrics: Metrics, *others: Route) -> Starlette:
    """`/livez`, `/startupz`, `/readyz` and `/metrics`, and what `others` answer."""

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
            *others,
        ]
    )
