"""Counts what a fleet does, and formats its progress and its final summary."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field

from simulator.conversation import ConversationLog


@dataclass
class Tally:
    """Counters of one run. `seconds` has the durations of the last hundred thousand requests."""

    tablet_count: int = 0
    enrolled: int = 0
    restored: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    commands: Counter[tuple[str, str]] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    anomalies: Counter[str] = field(default_factory=Counter)
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))
    requests: int = 0
    started: float = field(default_factory=time.monotonic)

    def record_request(self, seconds: float) -> None:
        """Count a request and its duration."""
        self.requests += 1
        self.seconds.append(seconds)

    def record_conversation(self, log: ConversationLog) -> None:
        """Count a conversation that has ended."""
        self.endings[log.ending.value] += 1
        self.commands.update((name, status.value) for name, status in log.answered_commands)
        self.anomalies.update(anomaly[:160] for anomaly in log.anomalies)

    def record_failure(self, error: Exception) -> None:
        """Count a tablet that could not enrol."""
        self.failures[f"{type(error).__name__}: {error}"[:160]] += 1

    def get_percentile(self, share: float) -> float:
        """Return the duration below which `share` of the requests stayed; 0 when there were none."""
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

    def format_progress(self) -> str:
        """Return the progress in one line."""
        answers = self.commands.total()
        failed = self.failures.total()
        parts = [
            f"{time.monotonic() - self.started:5.0f} s",
            f"enrolled {self.enrolled + self.restored}/{self.tablet_count}",
            f"failed {failed}" if failed else "",
            f"conversations {self.endings.total()}",
            f"commands answered {answers}",
            f"requests {self.requests}",
        ]
        return " · ".join(part for part in parts if part)

    def format_summary(self) -> str:
        """Return the summary for the end of a run."""
        lines = [
            f"tablets: {self.tablet_count} wanted, {self.restored} kept, {self.enrolled} enrolled now, {self.failures.total()} failed",
            f"requests: {self.requests}, p50 {self.get_percentile(0.5) * 1000:.0f} ms, p99 {self.get_percentile(0.99) * 1000:.0f} ms",
        ]
        lines += _format_counter("conversations that ended with", self.endings)
        lines += _format_counter(
            "answers", Counter({f"{name} {status}": count for (name, status), count in self.commands.items()})
        )
        lines += _format_counter("enrolments that failed", self.failures)
        lines += _format_counter("replies that an iPad would not understand", self.anomalies)
        return "\n".join(lines)


def _format_counter(title: str, counter: Counter[str]) -> list[str]:
    return [f"{title}:"] * bool(counter) + [f"  {count:6d}  {what}" for what, count in counter.most_common(20)]
