"""The commands `cartable restores` and `cartable clock`: what was noticed of restores and of the clock, and the confirmation that the clock is right."""

from __future__ import annotations

import argparse

from cartable.paging import FIRST_PAGE, PageRequest
from cartable.scope import SYSTEM
from cartable.timeline.clock_guard import release_clock
from cartable.timeline.repository import TimelineRepository
from cartable.unit_of_work import UnitOfWork
from mdm.channel.repository import ChannelRepository

_LIMIT = 100


def add_clock_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cartable clock`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("show", help="show whether the clock is trusted")
    release = actions.add_parser("release", help="say that the clock is right, after a pause of more than a hundred days")
    release.add_argument("--reason", required=True)


def list_restores(work: UnitOfWork, _parsed: argparse.Namespace) -> None:
    """Print the restores that were noticed, newest first, and the tablets that came from after the backup."""
    for restore in TimelineRepository(work.session).list_restores(FIRST_PAGE).items:
        print(
            f"{restore.noticed_at:%Y-%m-%d %H:%M} restored, the data end {restore.data_until:%Y-%m-%d %H:%M} ({restore.evidence.value}): "
            f"{restore.expired_commands} commands expired, {restore.cancelled_bulk_erases} bulk erases cancelled"
        )
    page = ChannelRepository(work.session).list_readoptions(SYSTEM, PageRequest(limit=_LIMIT))
    for row in page.items:
        print(f"{row.last_at:%Y-%m-%d %H:%M} {row.outcome.value:16} {row.udid} {row.serial or ''}")
    print("there are more" if page.next_cursor else f"{len(page.items)} tablets from after a backup")


def run_clock(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Show whether the clock is trusted, or release it. Raises `ClockNotPaused`."""
    if parsed.action == "release":
        release_clock(work, SYSTEM, parsed.reason)
    repository = TimelineRepository(work.session)
    row, pause = repository.get(), repository.get_open_pause()
    print(f"clock: {work.now:%Y-%m-%d %H:%M:%S} UTC; last trusted: {f'{row.known_at:%Y-%m-%d %H:%M:%S}' if row else 'never'}")
    print(f"not trusted since {pause.noticed_at:%Y-%m-%d %H:%M}: nothing is deleted" if pause else "trusted")
