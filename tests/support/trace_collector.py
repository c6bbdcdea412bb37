"""A collector of traces on loopback: takes what the server sends over OTLP, as it stands on the wire."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(slots=True)
class TraceCollector:
    """The spans received so far, and the bytes that they came in."""

    url: str
    spans: list[Span] = field(default_factory=list)
    received: bytes = b""

    def take(self, body: bytes) -> None:
        """Read one request of an exporter."""
        request = ExportTraceServiceRequest.FromString(body)
        self.received += body
        self.spans += [span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]

    def list_trace(self, name: str) -> list[Span]:
        """Return the spans of the only trace that has a span of this name, in their order."""
        trace_ids = {span.trace_id for span in self.spans if span.name == name}
        assert len(trace_ids) == 1, sorted({span.name for span in self.spans})
        [trace_id] = trace_ids
        return sorted((span for span in self.spans if span.trace_id == trace_id), key=lambda span: span.start_time_unix_nano)


@contextlib.contextmanager
def run_collector() -> Iterator[TraceCollector]:
    """Run a collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = TraceCollector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
