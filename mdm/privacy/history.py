"""Ends what grows with time: archived commands, notes of the channel, what was compiled. A bounded number of rows at a time.

The terms of commands and notes are those of the retention table; they are the same on both databases. On PostgreSQL archived commands
end by the month: its partition is dropped, whatever its number of rows.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Select, select

from cartable.partitions import Month
from cartable.unit_of_work import UnitOfWork
from mdm.care.commands.repository import CommandRepository
from mdm.channel.models import ChannelNote
from mdm.privacy.retention_repository import RetentionRepository
from mdm.privacy.rules import find_rule
from mdm.queue.archive_repository import CommandArchiveRepository
from mdm.queue.models import ArchivedCommand
from mdm.reconcile.compiled_repository import UnusedCompiledRepository
from profiles.filters.address_repository import FilterAddressRepository
from profiles.filters.category_repository import CategoryRepository
from profiles.filters.content_repository import ContentRepository
from profiles.filters.former_lists import KEPT_FOR
from profiles.filters.release_repository import ReleaseRepository
from profiles.filters.releases import KEPT_FOR as RELEASE_KEPT_FOR

#: Rows of one kind that one run deletes, in one transaction. With a run each minute: 1.4 million a day.
ROWS_PER_RUN = 1000
#: Each of them has up to some thousand tablets.
BULK_PER_RUN = 10
#: What was compiled and no tablet refers to is deleted when nobody has asked for it for so long.
UNUSED_AFTER = timedelta(days=30)
#: An address of the resolver is kept longer: a tablet that lay in a drawer for a year still asks it, and reaches its server by no other.
ADDRESS_UNUSED_AFTER = timedelta(days=730)


def purge_history(work: UnitOfWork) -> dict[str, int]:
    """Delete the oldest rows whose term is over, of each kind up to `ROWS_PER_RUN`. Returns how many of each kind were deleted."""
    commands = CommandArchiveRepository(work.session)
    compiled = UnusedCompiledRepository(work.session)
    unused_before = work.now - UNUSED_AFTER
    cutoff = compute_archive_cutoff(work.now)
    rows_to_delete = 0 if commands.has_partition_due(cutoff) else ROWS_PER_RUN
    sets = compiled.delete_unused_sets(unused_before, ROWS_PER_RUN)
    return {
        "command": commands.delete_archived(commands.select_archived(cutoff), rows_to_delete),
        "bulk_command": CommandRepository(work.session).delete_old(work.now - get_term("command"), BULK_PER_RUN),
        "channel_note": delete_notes(work),
        "declaration_set": sets,
        "filter_address": FilterAddressRepository(work.session).delete_unused(work.now - ADDRESS_UNUSED_AFTER, ROWS_PER_RUN),
        "filter_content": ContentRepository(work.session).delete_unused(work.now),
        "filter_list_release": ReleaseRepository(work.session).delete_old(work.now - RELEASE_KEPT_FOR),
        "former_filter_category": CategoryRepository(work.session).delete_old(work.now - KEPT_FOR),
        "rendered_profile": compiled.delete_unused_profiles(unused_before, ROWS_PER_RUN),
    }


def drop_ended_month(work: UnitOfWork) -> Month | None:
    """Drop the partition of the oldest month of archived commands if its term is over. Returns the month.

    A job of its own, before `purge_history` finds the same rows: dropping locks out those who read the archive for a moment.
    """
    month = CommandArchiveRepository(work.session).drop_oldest_month(compute_archive_cutoff(work.now))
    if month is not None:
        structlog.get_logger().info(
            "history.month_dropped", table=ArchivedCommand.__tablename__, month=f"{month.year}-{month.number:02}"
        )
    return month


def compute_archive_cutoff(now: datetime) -> datetime:
    """Return the instant before which archived commands are due: their term begins at the end of the month of the command."""
    return Month.of(now - get_term("command")).start


def get_term(rule_id: str) -> timedelta:
    """Return the term of a rule that towns cannot change."""
    rule = find_rule(rule_id)
    assert rule is not None
    return timedelta(days=rule.days)


def select_old_notes(work: UnitOfWork) -> Select[int]:
    """Return a statement that selects the notes whose term is over."""
    return select(ChannelNote.id).where(ChannelNote.at < work.now - get_term("channel_note"))


def delete_notes(work: UnitOfWork) -> int:
    """Delete the oldest notes whose term is over, up to `ROWS_PER_RUN`, and return how many."""
    ids = list(work.session.scalars(select_old_notes(work).order_by(ChannelNote.at).limit(ROWS_PER_RUN)))
    return RetentionRepository(work.session).delete_rows(ChannelNote, ids)
