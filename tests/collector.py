"""A collector of OpenTelemetry: takes OTLP over HTTP, as protobuf, and keeps the spans."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """`spans` and `services`, as they came in."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.asked = threading.Event()
        self.answers = threading.Event()
        """Requests are answered while it is set."""
        self.answers.set()
        self.endpoint = ""

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """On a free port of 127.0.0.1."""
        collector = cls()

        class Take(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.asked.set()
                collector.answers.wait(60)
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
        collector.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.answers.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def take(self, path: str, body: bytes) -> None:
        """Notes one request."""
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for attribute in resource.resource.attributes:
                if attribute.key == "service.name":
                    self.services.add(attribute.value.string_value)
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def named(self, prefix: str, trace_id: str | None = None) -> list[Span]:
        """Spans whose name begins so, of one trace."""
        found = [span for span in self.spans if span.name.startswith(prefix)]
        return [span for span in found if trace_id is None or span.trace_id.hex() == trace_id]


def attributes(span: Span) -> dict[str, object]:
    """As Python values."""
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}
