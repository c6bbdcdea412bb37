"""The facts about tablets that `profiles` reads, as an immutable snapshot. No policy and no names of people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from cartable.unit_of_work import UnitOfWork
from enrollment.places.models import Grade
from enrollment.tablets.models import TabletState
from enrollment.tablets.repository import TabletRepository


@dataclass(frozen=True, slots=True)
class TabletFacts:
    """The facts about one tablet. `grade`, `class_id` and `pupil_id` come from the open loan, or from the class that holds the tablet.

    `staff_id`: an adult has it on loan.
    """

    tablet_id: UUID
    town_id: UUID
    school_id: UUID | None
    serial: str
    tag: str
    state: TabletState
    evidence_hold: bool
    os_version: str | None
    product_name: str | None
    supervised: bool | None
    pupil_id: UUID | None
    class_id: UUID | None
    grade: Grade | None
    staff_id: UUID | None = None


def load_facts(work: UnitOfWork, tablet_ids: Sequence[UUID]) -> dict[UUID, TabletFacts]:
    """Return the facts of the tablets that exist among `tablet_ids`, in one query."""
    facts_by_tablet = {}
    for tablet, pupil_id, class_id, grade, staff_id in TabletRepository(work.session).list_with_holder(tablet_ids):
        facts_by_tablet[tablet.id] = TabletFacts(
            tablet_id=tablet.id,
            town_id=tablet.town_id,
            school_id=tablet.school_id,
            serial=tablet.serial,
            tag=tablet.tag,
            state=tablet.state,
            evidence_hold=tablet.evidence_hold,
            os_version=tablet.os_version,
            product_name=tablet.product_name,
            supervised=tablet.supervised,
            pupil_id=pupil_id,
            class_id=class_id,
            grade=grade,
            staff_id=staff_id,
        )
    return facts_by_tablet
