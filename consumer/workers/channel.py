"""The worker's side of the channel: a loop that answers one request at a time.

A request and its answer are one JSON message each over a Unix SOCK_SEQPACKET socket, which keeps message
boundaries and carries file descriptors. Bulk data travels as memory files, never inside messages and never
as pickle. The parent's death closes the socket, which ends the worker.
"""

import ctypes
import json
import os
import resource
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any

MESSAGE_BYTES = 160 * 1024
"""Longest message either way; below the kernel's default socket buffer."""
MAX_FDS = 128
"""Most files of one message: a batch for the GPU brings one an ad."""
NUMBER = "number"
"""Of a request, said again by its answer: what a worker says out of turn answers nobody."""
_PR_SET_PDEATHSIG = 1

Request = dict[str, Any]
Answer = dict[str, Any]


def limit_memory(limit_bytes: int) -> None:
    """Allocations beyond `limit_bytes` of address space raise MemoryError in this process."""
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def serve(socket_fd: int, handle: Callable[[Request, Sequence[int]], Answer]) -> None:
    """Answers requests until the parent is gone. `handle` gets the request and the descriptors it came with.

    A `handle` that raises ends the process: the parent sees a crash and starts another.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash on a hostile file must not leave its memory on disk
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a worker deep in C code would not see the socket close
    with socket.socket(fileno=socket_fd) as channel:
        channel.send(b"{}")
        while True:
            message, fds, _flags, _address = socket.recv_fds(channel, MESSAGE_BYTES, MAX_FDS)
            if not message:
                return
            request = json.loads(message)
            number = request.pop(NUMBER)
            try:
                answer = handle(request, fds)
            finally:
                for fd in fds:
                    os.close(fd)
            channel.send(json.dumps({**answer, NUMBER: number}, ensure_ascii=False, allow_nan=False).encode())
