"""The figures of the server in Prometheus' text format. Pure: it is given the state and writes lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from cartable.outbox import JobLane
from mdm.care.server_state import ServerState
from mdm.resolver.service import is_answering


def render_metrics(state: ServerState, batches: Mapping[str, int], now: datetime) -> str:
    """Return all figures as text. `batches`: the counters of the request batcher of this process."""
    return "\n".join(_render_lines(state, batches, now)) + "\n"


def _render_lines(state: ServerState, batches: Mapping[str, int], now: datetime) -> Iterator[str]:
    yield from _declare("cartable_jobs_waiting", "gauge", "Due jobs by topic and lane.")
    for lag in state.lag:
        yield _sample("cartable_jobs_waiting", lag.waiting, topic=lag.topic.value, lane=lag.lane.name.lower())
    yield from _declare("cartable_jobs_lag_seconds", "gauge", "Age of the oldest due job by topic and lane.")
    for lag in state.lag:
        seconds = (now - lag.oldest_due).total_seconds()
        yield _sample("cartable_jobs_lag_seconds", seconds, topic=lag.topic.value, lane=lag.lane.name.lower())
    yield from _declare("cartable_oldest_urgent_seconds", "gauge", "Age of the oldest urgent job; 0 when none waits.")
    urgent = [(now - lag.oldest_due).total_seconds() for lag in state.lag if lag.lane is JobLane.URGENT]
    yield _sample("cartable_oldest_urgent_seconds", max(urgent, default=0))
    for name, help_text, counts in (
        ("cartable_jobs_leased", "Jobs that a worker executes, by topic.", state.leased_jobs),
        ("cartable_jobs_parked", "Jobs that failed too often, by topic.", state.parked_jobs),
    ):
        yield from _declare(name, "gauge", help_text)
        for topic, count in counts.items():
            yield _sample(name, count, topic=topic.value)
    yield from _declare("cartable_apns_responses_total", "counter", "Responses of APNs by reason.")
    for reason, total in state.push_responses.items():
        yield _sample("cartable_apns_responses_total", total, reason=reason)
    for name, help_text, value in (
        ("cartable_workers", "Workers with a recent heartbeat.", sum(worker.is_alive(now) for worker in state.workers)),
        ("cartable_schedule_failing", "Jobs of the schedule whose last run failed.", len(state.failing_jobs)),
        ("cartable_push_sender_stopped", "1 while no pushes are sent.", int(state.sender.stopped_at is not None)),
        ("cartable_push_tokens_invalid", "Enrolled tablets that APNs does not wake.", state.invalid_tokens),
        ("cartable_erases_armed", "Erases that wait for their tablets.", state.armed_erases),
        (
            "cartable_resolvers_answering",
            "Resolvers that have proved within a minute that they answer and filter.",
            sum(is_answering(process, now) for process in state.resolver.processes),
        ),
        (
            "cartable_resolver_lists_pending",
            "Lists of categories that a resolver does not know yet.",
            max((process.pending_lists for process in state.resolver.processes), default=0),
        ),
        ("cartable_disk_free_bytes", "Free space for the data folder.", state.disk_free),
    ):
        yield from _declare(name, "gauge", help_text)
        yield _sample(name, value)
    for name, key, help_text in (
        ("cartable_channel_batches_total", "batches", "Batches of tablets' requests."),
        ("cartable_channel_requests_total", "requests", "Requests of tablets in batches."),
        ("cartable_channel_foreign_hosts_total", "foreign_hosts", "Connect requests to the host name of another town."),
    ):
        yield from _declare(name, "counter", f"{help_text} Of this process.")
        yield _sample(name, batches[key])


def _declare(name: str, kind: str, help_text: str) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"


def _sample(name: str, value: float, **labels: str) -> str:
    written = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
    return f"{name}{{{written}}} {value:g}" if written else f"{name} {value:g}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
