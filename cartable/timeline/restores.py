"""Says whether the database was restored from a backup. What follows from it is decided elsewhere."""

from __future__ import annotations

from cartable.timeline.file import UnreadableTimeline, read_point
from cartable.timeline.repository import TimelineRepository
from cartable.unit_of_work import UnitOfWork


def is_restored(work: UnitOfWork) -> bool:
    """Return whether the database is older than the file beside the secrets says, and nobody has reacted yet.

    A file that cannot be read counts as newer: whoever asks wants to do what cannot be taken back.
    """
    try:
        known = read_point(work.settings.secrets_dir)
    except UnreadableTimeline:
        return True
    if known is None:
        return False
    point = TimelineRepository(work.session).get_point()
    return point is None or point.is_behind(known)
