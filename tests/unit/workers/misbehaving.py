"""A worker that does what its request says: `python -m tests.unit.workers.misbehaving <fd> [start]`."""

import os
import signal
import socket
import sys
import time
from collections.abc import Sequence

from consumer.workers.channel import Answer, Request, serve


def answer(request: Request, fds: Sequence[int], channel_fd: int) -> Answer:
    match request["do"]:
        case "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(60)
        case "raise":
            raise ValueError("on request")
        case "garbage" | "twice" | "deep":
            text = {"garbage": b"\xff\x00{", "twice": b'{"late": true}', "deep": b"[" * 100_000}[request["do"]]
            with socket.socket(fileno=os.dup(channel_fd)) as channel:
                channel.send(text)
        case "write":
            os.write(fds[0], request["text"].encode())
        case "environment":
            return {"names": sorted(os.environ)}
        case "print":
            print("chatter", flush=True)
    return {"echo": request.get("text"), "pid": os.getpid()}


def main() -> None:
    channel_fd = int(sys.argv[1])
    if sys.argv[2:] == ["exit"]:
        raise SystemExit(3)
    if sys.argv[2:] == ["silent"]:
        time.sleep(60)
    serve(channel_fd, lambda request, fds: answer(request, fds, channel_fd))


if __name__ == "__main__":
    main()
