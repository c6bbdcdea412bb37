"""The inventory of tablets as a file: audited, bounded, and without the names of children."""

from __future__ import annotations

from cartable import audit
from cartable.paging import MAX_LIMIT, PageRequest
from cartable.scope import Actor
from cartable.unit_of_work import UnitOfWork
from mdm.care.overview import list_holders_named
from mdm.care.overview_repository import OverviewRepository, TabletFilter, TabletRow
from mdm.care.tablet_columns import BY_TAG, TabletOrder

#: More rows than this are not put into one file.
MAX_ROWS = 20_000


def export_inventory(
    work: UnitOfWork, actor: Actor, filters: TabletFilter, order: TabletOrder = BY_TAG, *, reading: UnitOfWork | None = None
) -> list[TabletRow]:
    """Return the visible tablets of a filter in an order, at most 20 000. The act is audited for each town that they are of.

    The tablets are read from `reading` if it is given.
    """
    pupil_ids = list_holders_named(work, actor, filters.text, filters.town_id)
    rows: list[TabletRow] = []
    cursor: str | None = None
    while len(rows) < MAX_ROWS:
        request = PageRequest(limit=MAX_LIMIT, cursor=cursor)
        page = OverviewRepository((reading or work).session).list_rows(actor, filters, pupil_ids, request, order)
        rows += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    for town_id in sorted({row.tablet.town_id for row in rows}, key=str):
        count = sum(row.tablet.town_id == town_id for row in rows)
        audit.record_event(work, actor, "tablets.export", "town", town_id, town_id=town_id, tablets=count)
    return rows[:MAX_ROWS]
