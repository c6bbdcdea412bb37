"""The Celery application: it carries notifications from a commit to the workers, through any broker. The jobs are outbox rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from celery import Celery
from kombu.common import Broadcast
from kombu.entity import Exchange

from cartable.outbox import Topic
from cartable.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
WAKE_TASK = "cartable.wake"
#: Every worker gets every notification: which of them has time shows only when they claim. Nothing is stored for one that is away.
WAKE_EXCHANGE: Any = Exchange("cartable.wake", type="fanout")  # type: ignore[no-untyped-call]
#: A notification is worth nothing after this time: a worker looks for due jobs by itself every second.
NOTIFICATION_EXPIRES_SECONDS = 5
#: No call to the broker may take longer.
BROKER_TIMEOUT_SECONDS = 2.0


def create_celery_app(settings: Settings, wake: Callable[[Topic], None]) -> Celery:
    """Return the application for the settings' broker. Its one task calls `wake` with the topic of each notification."""
    app = Celery("cartable", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_queues=[Broadcast(WAKE_TASK, exchange=WAKE_EXCHANGE, routing_key=WAKE_TASK)],  # type: ignore[no-untyped-call]
        broker_connection_timeout=BROKER_TIMEOUT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_build_transport_options(settings.broker_url),
        worker_hijack_root_logger=False,
        enable_utc=True,
    )

    @_task(app, WAKE_TASK)
    def wake_topic(topic: str) -> None:
        wake(Topic(topic))

    return app


def send_notification(app: Celery, topic: Topic) -> None:
    """Send the notification of a topic to all workers. Raises what the broker's library raises, within the timeouts above."""
    # Declared, because the sender's library takes an exchange that it does not know for one that stores.
    app.send_task(
        WAKE_TASK, args=[topic.value], expires=NOTIFICATION_EXPIRES_SECONDS, retry=False,
        exchange=WAKE_EXCHANGE.name, routing_key=WAKE_TASK, declare=[WAKE_EXCHANGE],
    )  # fmt: skip


def _build_transport_options(broker_url: str) -> dict[str, Any]:
    if broker_url.startswith("redis"):
        return {
            "socket_timeout": BROKER_TIMEOUT_SECONDS,
            "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
            "retry_on_timeout": False,
        }
    return {"read_timeout": BROKER_TIMEOUT_SECONDS, "write_timeout": BROKER_TIMEOUT_SECONDS}


def _task(app: Celery, name: str) -> Callable[[F], F]:
    """Return Celery's task decorator, typed. Not shared: another application of this process must not inherit the task."""
    decorator: Callable[[F], F] = app.task(name=name, shared=False)
    return decorator
