"""Background work: the Celery application, its schedule, and the handlers of outbox topics. Services do the work."""
