"""Another process on the same card: takes memory and gives it back, as told.

`Neighbour` starts it; `python -m benchmarks.gpu.neighbour` is the process. It takes in pieces, as other people's
programs do, and a piece that fails is tried again until `PATIENCE_SECONDS` have passed.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from types import TracebackType
from typing import Self

PIECE_BYTES = 64 * 1024 * 1024
PATIENCE_SECONDS = 20.0


class Neighbour:
    """`async with Neighbour(device) as neighbour: await neighbour.hold(bytes)`. On a CPU it holds nothing."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        if self._device == "cuda":
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "benchmarks.gpu.neighbour", stdin=PIPE, stdout=PIPE
            )
            await self.hold(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    async def hold(self, hold_bytes: int) -> dict[str, int]:
        """Holds that much from now on; says what it got and how often it was refused on the way."""
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            return {"held_bytes": 0, "refused": 0}
        self._process.stdin.write(json.dumps({"hold_bytes": hold_bytes}).encode() + b"\n")
        report: dict[str, int] = json.loads(await self._process.stdout.readline())
        return report


def main() -> None:
    """Serves until standard input ends."""
    import torch

    torch.zeros(1, device="cuda")
    held: list[torch.Tensor] = []
    for line in sys.stdin:
        target = json.loads(line)["hold_bytes"]
        refused, deadline = 0, time.monotonic() + PATIENCE_SECONDS
        while len(held) * PIECE_BYTES > target:
            held.pop()
        torch.cuda.empty_cache()
        while (len(held) + 1) * PIECE_BYTES <= target and time.monotonic() < deadline:
            try:
                held.append(torch.empty(PIECE_BYTES, dtype=torch.uint8, device="cuda"))
            except torch.OutOfMemoryError:
                refused += 1
                time.sleep(0.02)
        report = {"held_bytes": len(held) * PIECE_BYTES, "refused": refused}
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
