"""A real HTTP server on 127.0.0.1 that answers object requests as badly as it is told to."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = b"creative" * 1000
Fault = Callable[[BaseHTTPRequestHandler], None]


def whole(request: BaseHTTPRequestHandler, content: bytes = CONTENT) -> None:
    """The object, as it should be."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.send_header("ETag", '"the-tag"')
    request.end_headers()
    request.wfile.write(content)


def refused(status: int, code: str) -> Fault:
    """An S3 error."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        body = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Content-Type", "application/xml")
        request.end_headers()
        request.wfile.write(body)

    return answer


def cut(request: BaseHTTPRequestHandler) -> None:
    """Ends in the middle of the body."""
    lying(len(CONTENT))(request)
    request.wfile.write(CONTENT[: len(CONTENT) // 2])
    request.close_connection = True


def lying(length: int) -> Fault:
    """A head with that length, and nothing after it."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        request.close_connection = True

    return answer


def unmeasured(size_bytes: int) -> Fault:
    """A body that does not say how long it is."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.close_connection = True
        request.wfile.write(bytes(size_bytes))

    return answer


def dripping(stop: threading.Event) -> Fault:
    """One byte at a time, never slow enough for a read timeout."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        lying(len(CONTENT))(request)
        while not stop.wait(0.02):
            request.wfile.write(b"x")
            request.wfile.flush()

    return answer


def hanging(stop: threading.Event) -> Fault:
    """Half a body, then silence."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        lying(len(CONTENT))(request)
        request.wfile.write(CONTENT[:100])
        request.wfile.flush()
        stop.wait()

    return answer


class FaultyStore:
    """What the server saw."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.paths: list[str] = []


@contextmanager
def faulty_store(answers: Sequence[Fault]) -> Iterator[FaultyStore]:
    """A server that gives each answer once, in order, and the last one from then on."""
    left = list(answers)
    lock = threading.Lock()

    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                seen.paths.append(self.path)
                answer = left.pop(0) if len(left) > 1 else left[0]
            try:
                answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client gave up, as it should

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    seen = FaultyStore(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
