"""What was compiled for situations, kept in memory between batches. The keys name everything that it depends on, so no entry becomes stale."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from uuid import UUID

from cartable.settings import Settings
from profiles.apps.tablet_configuration import get_values_location
from profiles.effective.decision_settings import describe_decision_settings
from profiles.effective.situation import PolicyData

T = TypeVar("T")
#: A situation takes 0.1 to 0.3 MB. A town has some tens of them.
MAX_SITUATIONS = 256


class CompiledCache(Generic[T]):
    """The results of a computation by key, limited in number: the one that was used longest ago goes first. Safe between threads."""

    def __init__(self, limit: int = MAX_SITUATIONS) -> None:
        self._limit = limit
        self._entries: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get_or_build(self, key: Hashable, build: Callable[[], T]) -> T:
        """Return the kept result, or build and keep it. Two threads may build the same at once: the results are equal."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        built = build()
        with self._lock:
            self._entries[key] = built
            while len(self._entries) > self._limit:
                self._entries.popitem(last=False)
        return built


def build_context(settings: Settings, policy: PolicyData, town_id: UUID) -> Hashable:
    """Return what a compiled situation depends on beside the situation itself: its town's apps, the addresses, the settings."""
    resolver = policy.resolver
    return (
        frozenset(
            (app.id, identifier, app.app_store_id, app.manifest_url, get_values_location(app))
            for (owner, identifier), app in policy.apps.items()
            if owner == town_id
        ),
        policy.get_url(town_id),
        # Two installations with one resolver differ in the keys of its addresses.
        None if resolver is None else (resolver, resolver.get_token("")),
        describe_decision_settings(settings),
    )
