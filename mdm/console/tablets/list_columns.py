"""The columns of the list of tablets as the page and its files show them: titles, links that order by them, and cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from cartable.i18n import Language, Message
from enrollment.tablets.labels import STATES
from mdm.care.overview_repository import TabletRow
from mdm.care.tablet_columns import TabletColumn, TabletOrder
from mdm.console.numbers import format_gigabytes, format_share
from mdm.console.times import format_instant

_TITLES: dict[TabletColumn, Message] = {
    TabletColumn.TAG: Message("Tag"),
    TabletColumn.SERIAL: Message("Serial number"),
    TabletColumn.STATE: Message("State"),
    TabletColumn.HOLDER: Message("Held by"),
    TabletColumn.SCHOOL: Message("School"),
    TabletColumn.SCHOOL_CLASS: Message("Class"),
    TabletColumn.GRADE: Message("Grade"),
    TabletColumn.MODEL: Message("Model"),
    TabletColumn.SYSTEM: Message("System"),
    TabletColumn.BATTERY: Message("Battery"),
    TabletColumn.STORAGE: Message("Free storage (GB)"),
    TabletColumn.APPS: Message("Apps"),
    TabletColumn.LAST_CONTACT: Message("Last contact"),
}


@dataclass(frozen=True, slots=True)
class ColumnHeader:
    """The head of one column: its title, the address that orders by it, and the order that it has (`aria-sort`), if any."""

    name: str
    title: str
    address: str
    sorted: str


def describe_headers(
    columns: Sequence[TabletColumn], order: TabletOrder, query: Mapping[str, str], language: Language
) -> list[ColumnHeader]:
    """Return the heads of the shown columns. A second click on a column turns its order round."""
    headers = []
    for column in columns:
        is_ordered = column is order.column
        address = urlencode({**query, "sort": str(TabletOrder(column, is_ordered and not order.descending))})
        direction = ("descending" if order.descending else "ascending") if is_ordered else ""
        headers.append(ColumnHeader(column.value, _TITLES[column].translate(language), f"/?{address}", direction))
    return headers


def describe_choices(columns: Sequence[TabletColumn], language: Language) -> list[tuple[str, str, bool]]:
    """Return the columns that one may choose: name, title and whether it is shown. The tag is always shown."""
    return [
        (each.value, _TITLES[each].translate(language), each in columns) for each in TabletColumn if each is not TabletColumn.TAG
    ]


def build_sheet(
    rows: Sequence[TabletRow], zones: Sequence[ZoneInfo], columns: Sequence[TabletColumn], language: Language
) -> list[list[str]]:
    """Return the cells of a file: titles, then a line for each tablet. It has no names of people."""
    shown = [column for column in columns if column is not TabletColumn.HOLDER]
    sheet = [[_TITLES[column].translate(language) for column in shown]]
    for row, zone in zip(rows, zones, strict=True):
        cells = build_cells(row, language, zone)
        sheet.append([cells[column] for column in shown])
    return sheet


def build_cells(row: TabletRow, language: Language, zone: ZoneInfo) -> dict[TabletColumn, str]:
    """Return what each column says of a tablet, an empty text for what is not known; without names of people."""
    tablet = row.tablet
    return {
        TabletColumn.TAG: tablet.tag,
        TabletColumn.SERIAL: tablet.serial,
        TabletColumn.STATE: STATES[tablet.state].translate(language, count=1),
        TabletColumn.SCHOOL: row.school.name if row.school else "",
        TabletColumn.SCHOOL_CLASS: row.school_class.label if row.school_class else "",
        TabletColumn.GRADE: row.pupil.grade.value if row.pupil else "",
        TabletColumn.MODEL: tablet.model_name or tablet.product_name or "",
        TabletColumn.SYSTEM: tablet.os_version or "",
        TabletColumn.BATTERY: format_share(tablet.battery_level, language, unknown=""),
        TabletColumn.STORAGE: format_gigabytes(tablet.available_gigabytes, language, unknown=""),
        TabletColumn.APPS: f"{row.apps_installed} / {row.apps_wanted}",
        TabletColumn.LAST_CONTACT: format_instant(row.last_seen_at, zone) if row.last_seen_at else "",
    }
