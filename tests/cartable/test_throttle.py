"""Counters of attempts: windows, two processes at once, and what remains after a restart."""

from __future__ import annotations

import threading
from datetime import timedelta

from cartable import throttle
from cartable.clock import ManualClock
from cartable.throttle import AttemptCounter, AttemptLimit
from cartable.unit_of_work import Runtime

LIMIT = AttemptLimit("test", 3, timedelta(minutes=10))


def test_attempts_are_counted_in_a_window_and_begin_anew_after_it(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        assert [throttle.count_attempt(work, LIMIT, "a") for _ in range(4)] == [1, 2, 3, 4]
        assert throttle.count_attempt(work, LIMIT, "b") == 1
    clock.advance(timedelta(minutes=9))
    with runtime.open_unit_of_work() as work:
        assert throttle.count_attempt(work, LIMIT, "a") == 5
        throttle.take_back_attempt(work, LIMIT, "a")
        assert throttle.get_attempts(work, LIMIT, "a") == 4
    clock.advance(timedelta(minutes=1))
    with runtime.open_unit_of_work() as work:
        assert throttle.get_attempts(work, LIMIT, "a") == 0, "attempts do not prolong the window"
        assert throttle.count_attempt(work, LIMIT, "a") == 1
        throttle.reset_attempts(work, LIMIT, "a")
        assert throttle.get_attempts(work, LIMIT, "a") == 0


def test_limits_and_parts_of_keys_are_kept_apart(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        throttle.count_attempt(work, LIMIT, "a", "b")
        assert throttle.get_attempts(work, LIMIT, "ab") == 0
        assert throttle.get_attempts(work, AttemptLimit("other", 3, LIMIT.window), "a", "b") == 0


def test_attempts_at_the_same_time_are_all_counted(runtime: Runtime) -> None:
    seen = []

    def attempt() -> None:
        with runtime.open_unit_of_work() as work:
            seen.append(throttle.count_attempt(work, LIMIT, "same"))

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(seen) == list(range(1, 9))


def test_counters_whose_window_is_over_are_purged(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        throttle.count_attempt(work, LIMIT, "a")
    clock.advance(timedelta(minutes=5))
    with runtime.open_unit_of_work() as work:
        throttle.count_attempt(work, LIMIT, "b")
    clock.advance(timedelta(minutes=6))
    with runtime.open_unit_of_work() as work:
        throttle.purge_counters(work)
        assert work.session.query(AttemptCounter).count() == 1
