"""The columns of the list of tablets and the orders in which it can be read. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class TabletColumn(StrEnum):
    """A column of the list of tablets. The tag is always shown, because it leads to the tablet."""

    TAG = "tag"
    SERIAL = "serial"
    STATE = "state"
    HOLDER = "holder"
    SCHOOL = "school"
    SCHOOL_CLASS = "class"
    GRADE = "grade"
    MODEL = "model"
    SYSTEM = "system"
    BATTERY = "battery"
    STORAGE = "storage"
    APPS = "apps"
    LAST_CONTACT = "last_contact"


#: What a person sees who has chosen nothing.
DEFAULT_COLUMNS: tuple[TabletColumn, ...] = (
    TabletColumn.TAG,
    TabletColumn.SERIAL,
    TabletColumn.STATE,
    TabletColumn.HOLDER,
    TabletColumn.SCHOOL,
    TabletColumn.APPS,
    TabletColumn.SYSTEM,
    TabletColumn.BATTERY,
    TabletColumn.LAST_CONTACT,
)


@dataclass(frozen=True, slots=True)
class TabletOrder:
    """By which column the list is ordered. Tablets that are equal in it are ordered by tag."""

    column: TabletColumn = TabletColumn.TAG
    descending: bool = False

    def __str__(self) -> str:
        """Return the order as an address carries it: `-battery` from the highest to the lowest."""
        return f"{'-' if self.descending else ''}{self.column.value}"


BY_TAG = TabletOrder()


def parse_order(text: str) -> TabletOrder:
    """Return the order that an address names, by tag for what names none."""
    name = text.removeprefix("-")
    return TabletOrder(TabletColumn(name), text.startswith("-")) if name in {*TabletColumn} else BY_TAG


def choose_columns(names: Iterable[str]) -> tuple[TabletColumn, ...]:
    """Return the columns of some names in the order of the list, with the tag; the default ones when no name is one of a column."""
    chosen = {*names} & {*TabletColumn}
    return (
        tuple(column for column in TabletColumn if column is TabletColumn.TAG or column in chosen) if chosen else DEFAULT_COLUMNS
    )
