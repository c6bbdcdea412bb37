"""Spans: errors by their class alone, several causes become links, and the library is not even imported while traces are off."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from cartable import tracing

CAUSES = [f"00-{number:032x}-{number:016x}-01" for number in (1, 2)]


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.configure_tracing("test", exporter)
    yield exporter
    tracing.stop_tracing()


def list_spans(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    assert tracing._provider is not None
    tracing._provider.force_flush()
    return list(exporter.get_finished_spans())


def test_an_error_is_recorded_by_its_class_alone(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="Zoé"), tracing.start_span("act"):
        raise ValueError("Zoé EL HADJ is absent")
    [span] = list_spans(exporter)
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert not span.status.is_ok
    assert "Zoé" not in span.to_json()


def test_a_job_of_one_act_stands_below_it_and_one_of_several_is_linked(exporter: InMemorySpanExporter) -> None:
    with tracing.start_caused_span("one", [CAUSES[0], None, CAUSES[0]]):
        assert tracing.get_traceparent() is not None
    with tracing.start_caused_span("several", CAUSES):
        pass
    with tracing.start_caused_span("damaged", ["00-1-2-3"]):
        pass
    one, several, damaged = list_spans(exporter)
    assert (one.context.trace_id, one.parent.span_id if one.parent else 0) == (1, 1)
    assert [link.context.trace_id for link in several.links] == [1, 2]
    assert several.parent is None
    assert damaged.parent is None


def test_a_statement_is_recorded_by_kind_and_table(exporter: InMemorySpanExporter, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SELECT count(*) FROM pupil"))  # outside a trace
    with tracing.start_span("act"), engine.begin() as connection:
        connection.execute(text("SELECT id FROM tablet WHERE serial = :serial"), {"serial": "SECRET0001"})
    with pytest.raises(DBAPIError), tracing.start_span("act"), engine.begin() as connection:
        connection.execute(text("DELETE FROM no_such_table WHERE name = 'SECRET0001'"))
    spans = list_spans(exporter)
    assert [span.name for span in spans] == ["SELECT tablet", "act", "DELETE no_such_table", "act"]
    assert not any("SECRET0001" in span.to_json() for span in spans)
    assert {span.context.trace_id for span in spans[:2]} != {span.context.trace_id for span in spans[2:]}


def test_a_log_line_names_the_trace(exporter: InMemorySpanExporter) -> None:
    line = structlog.testing.LogCapture()
    structlog.configure(processors=[tracing.add_trace_id, line])
    with tracing.start_span("act"):
        structlog.get_logger().info("inside")
        traceparent = tracing.get_traceparent()
    structlog.get_logger().info("outside")
    assert traceparent is not None
    assert [each.get("trace_id") for each in line.entries] == [traceparent.split("-")[1], None]


def test_the_end_of_a_process_waits_for_no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(tracing, "STOP_SECONDS", 0.2)
    tracing.configure_tracing("test")
    with tracing.start_span("act"):
        pass
    start = time.monotonic()
    tracing.stop_tracing()
    assert time.monotonic() - start < 2
    assert not tracing.is_enabled()


def test_the_library_is_not_imported_while_traces_are_off() -> None:
    code = (
        "import sys, mdm.web, mdm.cli.worker; print(sorted(name for name in sys.modules if name.startswith('opentelemetry.sdk')))"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
    with tracing.start_span("nothing") as span:
        assert span is None
        assert tracing.get_traceparent() is None
