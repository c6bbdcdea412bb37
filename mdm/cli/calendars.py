"""The command `cartable calendar import`: reads a file of the ministry, reports it row by row, and stores the zones of the town."""

from __future__ import annotations

import argparse
from pathlib import Path

from cartable.scope import SYSTEM
from cartable.unit_of_work import UnitOfWork
from enrollment.places.zones import HolidayZone
from mdm.cli.towns import find_town
from profiles.schedule import calendar_import
from profiles.schedule.calendar_import import CalendarPreview


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    importing = actions.add_parser("import", help="read a CSV, JSON or iCalendar file of the ministry")
    importing.add_argument("file", type=Path)
    importing.add_argument("--town", required=True, metavar="SLUG")
    importing.add_argument("--zone", type=HolidayZone, choices=list(HolidayZone), help="the zone of rows that name none")
    importing.add_argument("--preview", action="store_true", help="report only, store nothing")


def run(work: UnitOfWork, parsed: argparse.Namespace) -> None:
    """Print the report of a file and store it, unless only a preview is wanted. Raises `NotFound`, `UnreadableCalendar`."""
    town = find_town(work, parsed.town)
    preview = calendar_import.preview_import(
        work, SYSTEM, town.id, calendar_import.read_calendars(parsed.file.read_bytes(), parsed.zone)
    )
    print("\n".join(_format_report(preview)))
    if parsed.preview:
        print("Preview: nothing is stored.")
        return
    rows = calendar_import.save_imported_periods(work, SYSTEM, town.id, preview.get_used_periods())
    print(f"Stored: {', '.join(sorted(row.name for row in rows))}")


def _format_report(preview: CalendarPreview) -> list[str]:
    lines = []
    for zone in preview.zones:
        lines.append(f"Zone {zone.zone}, known until {zone.known_until}" + ("" if zone.is_used else " (not of this town)"))
        lines += [f"  {period.first} to {period.last}  {period.name}" for period in zone.periods]
        if zone.summer_is_open:
            lines.append("  Warning: the file has no return after the summer; it ends with the school year.")
    lines += [f"Row {row.line}: {row.outcome}: {row.description}" for row in preview.list_bad_rows()]
    return lines
