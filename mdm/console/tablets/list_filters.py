"""The filters of the list of tablets as an address carries them. Reads nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel

from enrollment.places.models import Grade
from enrollment.tablets.models import TabletState
from mdm.care.overview_repository import TabletFilter
from mdm.console.forms import parse_id

#: Days without contact after which a tablet is called silent, as the page offers them.
SILENT_DAYS = (1, 7, 30)
#: Percent of battery and gigabytes of storage below which a tablet has little, as the page offers them.
LITTLE_BATTERY, LITTLE_STORAGE = 20, 4
_HIGHEST_SYSTEM = 99
#: Characters of a value that is longer than a name or an id.
_LONGEST = {"columns": 200}


class ListAddress(BaseModel):
    """What the address of the list asks for. What is not understood filters nothing.

    `lacks`: apps, agreement, mode (not the one it should be in), battery or storage. `silent`: days without contact. `erased`: any text.
    `sort`: the name of a column, after `-` from the highest to the lowest. `columns`: names of columns with commas between.
    """

    state: str = ""
    q: str = ""
    school: str = ""
    grade: str = ""
    lacks: str = ""
    silent: str = ""
    system: str = ""
    erased: str = ""
    class_id: str = ""
    sort: str = ""
    columns: str = ""

    def list_chosen(self) -> dict[str, str]:
        """Return the values that are not empty."""
        return {name: value[: _LONGEST.get(name, 64)] for name, value in self.model_dump().items() if value}

    def build_filter(self, now: datetime, town_id: UUID | None = None) -> TabletFilter:
        """Return the filter of the address, within one town where it is given."""
        is_system = self.system.isascii() and self.system.isdigit() and int(self.system) <= _HIGHEST_SYSTEM
        return TabletFilter(
            town_id=town_id,
            class_id=parse_id(self.class_id),
            school_id=parse_id(self.school),
            state=TabletState(self.state) if self.state in {*TabletState} else None,
            level=Grade(self.grade) if self.grade in {*Grade} else None,
            text=self.q[:64] or None,
            lacks_apps=self.lacks == "apps",
            silent_since=now - timedelta(days=int(self.silent)) if self.silent in {str(days) for days in SILENT_DAYS} else None,
            unproved=self.lacks == "mode",
            lacks_agreement=self.lacks == "agreement",
            erased=bool(self.erased),
            system=int(self.system) if is_system else None,
            battery_below=LITTLE_BATTERY / 100 if self.lacks == "battery" else None,
            storage_below=LITTLE_STORAGE if self.lacks == "storage" else None,
        )


ListAddressQuery = Annotated[ListAddress, Depends()]
