"""Check of what grows: whether ended commands reach the archive, and leave it when their term is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cartable.unit_of_work import UnitOfWork
from mdm.cli.doctor.diagnosis import Diagnosis, good, warning
from mdm.privacy.history import compute_archive_cutoff
from mdm.queue.archive_repository import CommandArchiveRepository
from mdm.queue.service import ARCHIVED_AFTER, UNANSWERED_ARCHIVED_AFTER

#: The jobs run each minute, but not while the server is off or its clock is not trusted.
PATIENCE = timedelta(days=3)
_REMEDY = "Does a worker run the schedule, and which of its jobs fail? See the page Server, and docs/operator/records.md."


def check_history(work: UnitOfWork) -> Iterator[Diagnosis]:
    """Yield whether the jobs that archive commands and end their months have kept up, and whether each command stands in its month.

    A month gets its partition with its first archived command, so none must be there ahead.
    """
    archive = CommandArchiveRepository(work.session)
    late = work.now - PATIENCE
    oldest = archive.get_oldest_archived()
    if archive.has_due_commands(late - ARCHIVED_AFTER, late - UNANSWERED_ARCHIVED_AFTER):
        yield warning("history", "commands that should be in the archive for days are not", _REMEDY)
    elif oldest is not None and oldest < compute_archive_cutoff(late):
        yield warning("history", f"archived commands of {oldest:%Y-%m} are kept beyond their term", _REMEDY)
    else:
        yield good("history", "ended commands are archived, and deleted at the end of their term")
    astray = archive.count_default_rows()
    if astray:
        yield warning(
            "partitions",
            f"{astray} archived commands stand in the default partition: they are deleted one by one instead of with their month",
            "Rows were written there beside the server. They move when a command of their month is archived; see docs/operator/records.md.",
        )
