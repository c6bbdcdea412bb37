"""Spans of the commands of a batch that belong to the traces of acts: delivered to a tablet, answered by it. Only while traces are on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cartable import tracing
from mdm.channel.connect_requests import ConnectRequest
from mdm.protocol.connect import CommandStatus
from mdm.queue.batch_statements import DeliveryCandidate
from mdm.queue.repository import QueueRepository
from mdm.queue.rules import parse_command_uuid


class CommandSpan(NamedTuple):
    """What is recorded of one command."""

    name: str
    traceparent: str | None
    request_type: str
    command_id: int
    status: str


def collect_command_spans(
    queue: QueueRepository, connects: Sequence[ConnectRequest], sent: Sequence[DeliveryCandidate]
) -> list[CommandSpan]:
    """Return the spans of the commands that a batch has sent, and of the results that it has received, for recorded acts."""
    answered: Mapping[int, tuple[int, CommandStatus]] = {
        parsed[1]: (connect.enrollment.enrollment_id, connect.message.status)
        for connect in connects
        if connect.message.command_uuid and (parsed := parse_command_uuid(connect.message.command_uuid)) is not None
    }
    spans = []
    sent_ids = {candidate.command_id for candidate in sent}
    traces = queue.load_command_traces([*answered, *sent_ids])
    for command_id, enrollment_id, request_type, traceparent in traces:
        if command_id in answered and answered[command_id][0] == enrollment_id:
            status = answered[command_id][1].value
            spans.append(CommandSpan("command.result", traceparent, request_type, command_id, status))
        if command_id in sent_ids:
            spans.append(CommandSpan("command.deliver", traceparent, request_type, command_id, "sent"))
    return spans


def record_command_spans(spans: Sequence[CommandSpan]) -> None:
    """Record the spans below the acts that gave the commands. Called after the commit of the batch."""
    for span in spans:
        attributes: tracing.Attributes = {
            "command.type": span.request_type,
            "command.id": span.command_id,
            "command.status": span.status,
        }
        with tracing.start_caused_span(span.name, [span.traceparent], attributes):
            pass
