"""The Celery application: bells and the schedule. The jobs themselves are outbox rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from celery import Celery

from cartable.outbox import Topic
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from mdm.worker import schedule
from mdm.worker.handlers import drain

F = TypeVar("F", bound=Callable[..., Any])
log = structlog.get_logger()


def make_app(runtime: Runtime) -> Celery:
    """Build the application on a runtime: its broker, its tasks, its schedule."""
    settings: Settings = runtime.settings
    # The embedded broker needs no host; without one the library warns that it guessed.
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
        beat_schedule=schedule.beat(),
        timezone="UTC",
        enable_utc=True,
    )
    _register(app, runtime)
    return app


def _task(app: Celery, name: str) -> Callable[[F], F]:
    """Celery's decorator, typed. Not shared: an application made later in this process must not inherit these tasks."""
    decorator: Callable[[F], F] = app.task(name=name, shared=False)
    return decorator


def _register(app: Celery, runtime: Runtime) -> None:
    @_task(app, "cartable.drain")
    def drain_topic(topic: str) -> None:
        drain(runtime, Topic(topic))

    @_task(app, "cartable.sweep")
    def sweep() -> None:
        """Pick up what a lost bell missed."""
        for topic in Topic:
            drain(runtime, topic)

    for name, act in schedule.HOUSEKEEPING.items():
        _housekeeping(app, runtime, name, act)


def _housekeeping(app: Celery, runtime: Runtime, name: str, act: schedule.Act) -> None:
    @_task(app, f"cartable.{name}")
    def run() -> None:
        with runtime.open_unit_of_work() as work:
            act(work)
        log.debug("worker.housekeeping", name=name)


def bell(app: Celery) -> Any:
    """The function that rings after a commit."""

    def ring(topic: Topic) -> None:
        try:
            app.send_task("cartable.drain", args=[topic.value])
        except Exception:  # a broker that is away costs only the sweep's interval
            log.warning("worker.bell_lost", topic=topic.value)

    return ring


def production() -> Celery:
    """The application of worker and scheduler processes, from the environment."""
    from mdm.composition import compose

    runtime = compose(Settings())
    app = make_app(runtime)
    runtime.notify_worker = bell(app)
    return app
