"""What a fleet did, counted: progress on one line, and the final summary. Decides nothing."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field

from simulator.conversation import Conversation


@dataclass
class Tally:
    """Counters of one run. Seconds of requests are kept for the last hundred thousand."""

    wanted: int = 0
    enrolled: int = 0
    kept: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    commands: Counter[tuple[str, str]] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    surprises: Counter[str] = field(default_factory=Counter)
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))
    requests: int = 0
    started: float = field(default_factory=time.monotonic)

    def request(self, seconds: float) -> None:
        """One request took so long."""
        self.requests += 1
        self.seconds.append(seconds)

    def conversation(self, told: Conversation) -> None:
        """One conversation ended."""
        self.endings[told.ending.value] += 1
        self.commands.update((name, status.value) for name, status in told.commands)
        self.surprises.update(words[:160] for words in told.surprises)

    def failed(self, error: Exception) -> None:
        """A tablet could not enrol."""
        self.failures[f"{type(error).__name__}: {error}"[:160]] += 1

    def percentile(self, share: float) -> float:
        """Of the seconds per request; 0 when there were none."""
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

    def line(self) -> str:
        """Progress in one line."""
        answers = self.commands.total()
        failed = self.failures.total()
        parts = [
            f"{time.monotonic() - self.started:5.0f} s",
            f"enrolled {self.enrolled + self.kept}/{self.wanted}",
            f"failed {failed}" if failed else "",
            f"conversations {self.endings.total()}",
            f"commands answered {answers}",
            f"requests {self.requests}",
        ]
        return " · ".join(part for part in parts if part)

    def summary(self) -> str:
        """Everything, for the end."""
        lines = [
            f"tablets: {self.wanted} wanted, {self.kept} kept, {self.enrolled} enrolled now, {self.failures.total()} failed",
            f"requests: {self.requests}, p50 {self.percentile(0.5) * 1000:.0f} ms, p99 {self.percentile(0.99) * 1000:.0f} ms",
        ]
        lines += _counted("conversations that ended with", self.endings)
        lines += _counted("answers", Counter({f"{name} {status}": count for (name, status), count in self.commands.items()}))
        lines += _counted("enrolments that failed", self.failures)
        lines += _counted("replies that an iPad would not understand", self.surprises)
        return "\n".join(lines)


def _counted(title: str, counter: Counter[str]) -> list[str]:
    return [f"{title}:"] * bool(counter) + [f"  {count:6d}  {what}" for what, count in counter.most_common(20)]
