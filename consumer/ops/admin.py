"""What the admin port answers: the few things an operator may do to a running consumer. Loopback only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from consumer.errors import AdvetError
from consumer.messages import Partition

REFUSED, MALFORMED = 409, 422


class SkipRequest(BaseModel):
    """Body of `POST /skip`."""

    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True)
class Controls:
    """What the port may do; `skip` raises AdvetError when it must not."""

    skip: Callable[[Partition, int, str], None]
    reset_breaker: Callable[[], bool]
    """Returns whether the breaker was open."""


def operator_controls(controls: Controls) -> Starlette:
    """`POST /skip` and `POST /breaker/reset`."""

    async def skip(request: Request) -> Response:
        try:
            asked = SkipRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": str(error)}, status_code=MALFORMED)
        try:
            controls.skip(Partition(asked.topic, asked.partition), asked.offset, asked.reason)
        except AdvetError as error:
            return JSONResponse({"error": str(error)}, status_code=REFUSED)
        return JSONResponse({"accepted": True})

    async def reset(_request: Request) -> Response:
        return JSONResponse({"was_open": controls.reset_breaker()})

    return Starlette(routes=[Route("/skip", skip, methods=["POST"]), Route("/breaker/reset", reset, methods=["POST"])])
