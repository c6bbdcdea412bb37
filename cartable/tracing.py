"""Traces with OpenTelemetry: spans of requests, batches of tablets, jobs and SQL statements, sent to a collector over OTLP.

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` names a collector; then nothing of the library is
imported. Attributes are kinds, numbers and ids that the code chooses, never names, serial numbers, addresses or values of statements;
of an error a span holds the class alone.
"""

from __future__ import annotations

import atexit
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Link, Span, Tracer

ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
#: Length of a `traceparent` (W3C Trace Context), which carries a trace from an act over the database to what follows from it.
TRACEPARENT_LENGTH = 55
STOP_SECONDS = 3.0
#: A batch of jobs is linked to so many of the acts that caused them.
MAX_LINKS = 32
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SQL_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+\"?([a-z_]+)", re.IGNORECASE)
_SQL_VERBS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"})
Attributes = Mapping[str, str | int]

_provider: TracerProvider | None = None
_tracer: Tracer | None = None


def is_enabled() -> bool:
    """Return whether this process sends traces."""
    return _tracer is not None


def configure_tracing(service: str, exporter: SpanExporter | None = None) -> None:
    """Send the spans of this process to the collector that the environment names, as `service`; do nothing when it names none.

    Each process calls it once, before it creates its application. The library reads all its `OTEL_…` variables: sampler, headers,
    resource attributes.
    """
    global _provider, _tracer
    if is_enabled() or (exporter is None and not any(os.environ.get(name) for name in ENDPOINT_VARIABLES)):
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter()
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", service)})
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("cartable")
    event.listen(Engine, "before_cursor_execute", _start_statement)
    event.listen(Engine, "after_cursor_execute", _end_statement)
    event.listen(Engine, "handle_error", _fail_statement)
    atexit.register(stop_tracing)


def stop_tracing() -> None:
    """Send what is left, for `STOP_SECONDS` at most, and send nothing from now on. The end of a process waits for no collector."""
    global _provider, _tracer
    if _provider is not None:
        event.remove(Engine, "before_cursor_execute", _start_statement)
        event.remove(Engine, "after_cursor_execute", _end_statement)
        event.remove(Engine, "handle_error", _fail_statement)
        ending = threading.Thread(target=_provider.shutdown, name="tracing-end", daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)
    _provider = _tracer = None


def start_span(name: str, attributes: Attributes | None = None) -> AbstractContextManager[Span | None]:
    """Return a context with a span below the present one, or with None when traces are off."""
    return nullcontext() if _tracer is None else _open_span(_tracer, name, attributes)


def start_caused_span(
    name: str, traceparents: Iterable[str | None], attributes: Attributes | None = None
) -> AbstractContextManager[Span | None]:
    """Return a context with a span of work that acts have caused: below the act if it is one alone, else linked to all of them."""
    if _tracer is None:
        return nullcontext()
    causes = sorted({traceparent for traceparent in traceparents if traceparent})
    if len(causes) == 1:
        return _open_span(_tracer, name, attributes, parent=causes[0])
    return _open_span(_tracer, name, attributes, links=causes[:MAX_LINKS])


def get_traceparent() -> str | None:
    """Return what continues the present trace in another process; None outside a trace, and for one that is not recorded."""
    if _tracer is None:
        return None
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01" if context.is_valid and context.trace_flags.sampled else None


def add_trace_id(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the id of the present trace to a log line: a processor of structlog."""
    traceparent = get_traceparent()
    if traceparent is not None:
        line["trace_id"] = traceparent.split("-")[1]
    return line


@contextmanager
def _open_span(
    tracer: Tracer, name: str, attributes: Attributes | None, *, parent: str | None = None, links: Iterable[str] = ()
) -> Iterator[Span]:
    from opentelemetry.trace import Status, StatusCode, set_span_in_context

    above = _read_traceparent(parent) if parent is not None else None
    context = set_span_in_context(above) if above is not None else None
    with tracer.start_as_current_span(
        name, context, attributes=attributes, links=_build_links(links), record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise


def _read_traceparent(traceparent: str) -> Span | None:
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    return NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags)))


def _build_links(traceparents: Iterable[str]) -> list[Link]:
    from opentelemetry.trace import Link

    spans = [_read_traceparent(traceparent) for traceparent in traceparents]
    return [Link(span.get_span_context()) for span in spans if span is not None]


def _start_statement(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    """Begin a span for a statement, where a trace is recorded: its kind and table, never its text or values."""
    if _tracer is None or context is None or get_traceparent() is None:
        return
    verb, table = statement.split(None, 1)[0].upper(), _SQL_TABLE.search(statement)
    if verb in _SQL_VERBS:
        collection = table[1] if table is not None else ""
        attributes = {"db.operation.name": verb, "db.collection.name": collection}
        context.cartable_span = _tracer.start_span(f"{verb} {collection}".strip(), attributes=attributes)


def _end_statement(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    span = getattr(context, "cartable_span", None)
    if span is not None:
        span.end()


def _fail_statement(failure: Any) -> None:
    span = getattr(failure.execution_context, "cartable_span", None)
    if span is not None:
        span.set_attribute("error.type", type(failure.original_exception).__name__)
        span.end()
