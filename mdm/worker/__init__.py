"""The Celery application, its schedule and its thin tasks."""
