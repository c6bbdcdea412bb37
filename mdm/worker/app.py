"""The Celery application: its tasks, its schedule and the notification after a commit. The jobs themselves are outbox rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from celery import Celery

from cartable.outbox import Topic
from cartable.settings import Settings
from cartable.telemetry import configure_logging
from cartable.unit_of_work import Runtime
from mdm.care.restores.service import TimelineWatch
from mdm.worker import schedule
from mdm.worker.handlers import drain

F = TypeVar("F", bound=Callable[..., Any])
log = structlog.get_logger()


def create_celery_app(runtime: Runtime) -> Celery:
    """Return the application of a runtime, with its broker, tasks and schedule."""
    settings: Settings = runtime.settings
    # The embedded broker needs no host, but without one the library logs a warning.
    broker = "memory://localhost/" if settings.embedded_worker else settings.broker_url
    app = Celery("cartable", broker=broker, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=4,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
        broker_transport_options={"polling_interval": 0.02} if settings.embedded_worker else {},
        beat_schedule=schedule.build_beat_schedule(),
        timezone="UTC",
        enable_utc=True,
    )
    _register_tasks(app, runtime)
    return app


def _task(app: Celery, name: str) -> Callable[[F], F]:
    """Return Celery's task decorator, typed. Not shared: another application of this process must not inherit the task."""
    decorator: Callable[[F], F] = app.task(name=name, shared=False)
    return decorator


def _register_tasks(app: Celery, runtime: Runtime) -> None:
    @_task(app, "cartable.drain")
    def drain_topic(topic: str) -> None:
        drain(runtime, Topic(topic))

    @_task(app, "cartable.sweep")
    def sweep() -> None:
        """Process the due jobs of every topic, including those whose notification was lost."""
        for topic in Topic:
            drain(runtime, topic)

    watch = TimelineWatch(runtime)
    _task(app, "cartable.timeline")(watch.check)
    for name in schedule.HOUSEKEEPING:
        _register_housekeeping(app, runtime, watch, name)


def _register_housekeeping(app: Celery, runtime: Runtime, watch: TimelineWatch, name: str) -> None:
    @_task(app, f"cartable.{name}")
    def run() -> None:
        run_housekeeping(runtime, watch, name)


def run_housekeeping(runtime: Runtime, watch: TimelineWatch, name: str) -> bool:
    """Run one job of the schedule and return True; a job that the clock decides waits while the clock is not believed."""
    if name in schedule.DECIDED_BY_CLOCK:
        with runtime.open_unit_of_work() as work:
            trusted = watch.may_trust_clock(work)
        if not trusted:
            log.warning("worker.housekeeping_waits_for_clock", name=name)
            return False
    with runtime.open_unit_of_work() as work:
        schedule.HOUSEKEEPING[name](work)
    log.debug("worker.housekeeping_done", name=name)
    return True


def create_notifier(app: Celery) -> Callable[[Topic], None]:
    """Return the function that notifies the worker of a topic after a commit."""

    def notify(topic: Topic) -> None:
        try:
            app.send_task("cartable.drain", args=[topic.value])
        except Exception:  # without a broker the jobs wait for the next sweep
            log.warning("worker.notification_failed", topic=topic.value)

    return notify


def create_production_app() -> Celery:
    """Return the application of worker and scheduler processes, configured by the environment."""
    from mdm.composition import compose

    settings = Settings()
    configure_logging(json=settings.log_json)
    runtime = compose(settings)
    app = create_celery_app(runtime)
    runtime.notify_worker = create_notifier(app)
    return app
