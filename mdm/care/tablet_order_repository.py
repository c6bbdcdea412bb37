"""The SQL by which the list of tablets is ordered: for each column an expression that is never null, so that pages follow each other."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from itertools import zip_longest
from typing import Any

from sqlalchemy import ColumnElement, Integer, case, cast, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from cartable.database import UtcDateTime
from cartable.keyset import KeyColumn
from cartable.scope import Actor
from enrollment.people.models import Pupil
from enrollment.places.models import Grade, School, SchoolClass
from enrollment.tablets.models import Tablet, TabletState
from mdm.care.tablet_columns import TabletColumn
from mdm.devices.repository import select_last_contact
from mdm.reconcile.models import AppState, TabletApp

#: What stands for a missing value: it comes before all others.
_NO_NUMBER, _NO_TEXT, _NO_INSTANT = -1, "", datetime(1970, 1, 1, tzinfo=UTC)
#: Numbers of a version that count, and the room of each: 17.10.2 is after 17.9.
_VERSION_PARTS, _VERSION_ROOM = 3, 1000


def build_sort_key(session: Session, actor: Actor, column: TabletColumn) -> KeyColumn:
    """Return the expression by which rows of `Tablet`, outer-joined with pupil, school and class, are ordered by a column.

    Names of people are sealed: by holder `OverviewRepository` orders itself.
    """
    if column is not TabletColumn.SYSTEM:
        return _SORT_KEYS[column]
    versions = session.scalars(actor.restrict(select(Tablet.os_version).distinct(), Tablet))
    ranks = {version: _number_version(version) for version in versions if version is not None}
    return case(ranks, value=Tablet.os_version, else_=_NO_NUMBER) if ranks else literal(_NO_NUMBER)


def _build_rank(column: InstrumentedAttribute[Any], members: Iterable[Enum]) -> ColumnElement[int]:
    """Return the position of a value among the members of its enumeration."""
    return case({member: number for number, member in enumerate(members)}, value=column, else_=_NO_NUMBER)


def _number_version(version: str) -> int:
    """Return a number that grows with the version."""
    parts = (int(part) if part.isdecimal() else 0 for part in version.split(".")[:_VERSION_PARTS])
    number = 0
    for _, part in zip_longest(range(_VERSION_PARTS), parts, fillvalue=0):
        number = number * _VERSION_ROOM + min(part, _VERSION_ROOM - 1)
    return number


def _count_missing_apps() -> ColumnElement[int]:
    lacking = TabletApp.state.not_in((AppState.INSTALLED, AppState.REMOVING))
    counted = select(func.count()).select_from(TabletApp).where(TabletApp.tablet_id == Tablet.id, lacking)
    return func.coalesce(counted.correlate(Tablet).scalar_subquery(), 0)


_SORT_KEYS: dict[TabletColumn, KeyColumn] = {
    TabletColumn.SERIAL: Tablet.serial,
    TabletColumn.STATE: _build_rank(Tablet.state, TabletState),
    TabletColumn.SCHOOL: func.coalesce(School.name, _NO_TEXT),
    TabletColumn.SCHOOL_CLASS: func.coalesce(SchoolClass.label_order, _NO_TEXT),
    TabletColumn.GRADE: _build_rank(Pupil.grade, Grade),
    TabletColumn.MODEL: func.coalesce(Tablet.model_name, _NO_TEXT),
    TabletColumn.BATTERY: cast(func.coalesce(Tablet.battery_level * 100, _NO_NUMBER), Integer),
    TabletColumn.STORAGE: cast(func.coalesce(Tablet.available_gigabytes * 10, _NO_NUMBER), Integer),
    TabletColumn.APPS: _count_missing_apps(),
    TabletColumn.LAST_CONTACT: func.coalesce(select_last_contact(), literal(_NO_INSTANT, UtcDateTime())),
}
