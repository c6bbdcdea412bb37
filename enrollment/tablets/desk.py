"""The desk: what people with a hand scanner do at the bench and at the table, repeatable when the network fails. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from enrollment.people import access
from enrollment.people.models import AccessKind, Pupil
from enrollment.places.models import SchoolClass
from enrollment.tablets import custody, service
from enrollment.tablets.custody import Handing
from enrollment.tablets.models import AccessoryKind, Condition, Incident, IncidentKind, Loan, Tablet
from enrollment.tablets.once import once
from enrollment.tablets.repository import TabletRepository
from mdm.kit.errors import NotFound
from mdm.kit.scope import Actor, Permission
from mdm.kit.work import Work

Answer = dict[str, Any]


def bench(work: Work, actor: Actor, town_id: UUID, request_id: UUID, serial: str, tag: str | None) -> Answer:
    """One scan at the bench. Raises what `custody.bench` raises."""

    def act() -> Answer:
        return _told(custody.bench(work, actor, town_id, serial, tag))

    actor.require(Permission.HANDLE, town_id)
    return once(work, actor, town_id, request_id, {"act": "bench", "serial": serial, "tag": tag}, act)


def hand_over(work: Work, actor: Actor, town_id: UUID, request_id: UUID, scan: str, pupil_id: UUID, said: Handing) -> Answer:
    """One child at the table. Raises what `custody.hand_over` raises."""

    def act() -> Answer:
        tablet = custody.scanned(work, actor, town_id, scan)
        loan = custody.hand_over(work, actor, tablet, pupil_id, said)
        return {**_told(tablet), "loan_id": str(loan.id), "pupil_id": str(pupil_id)}

    asked = {
        "act": "hand_over", "scan": scan, "pupil": str(pupil_id), "condition": said.condition.value,
        "accessories": sorted(said.accessories), "signed": said.signed_by is not None,
    }  # fmt: skip
    return once(work, actor, town_id, request_id, asked, act)


def swap(work: Work, actor: Actor, town_id: UUID, request_id: UUID, first: str, second: str) -> Answer:
    """Two scans: two children keep what they hold. Raises what `custody.swap` raises."""

    def act() -> Answer:
        pair = [custody.scanned(work, actor, town_id, scan) for scan in (first, second)]
        loans = custody.swap(work, actor, *pair, to_confirm=True)
        return {"tablets": [_told(tablet) for tablet in pair], "loans": [str(loan.id) for loan in loans]}

    return once(work, actor, town_id, request_id, {"act": "swap", "first": first, "second": second}, act)


def take_back(
    work: Work, actor: Actor, tablet_id: UUID, request_id: UUID, condition: Condition, back: Collection[AccessoryKind]
) -> Answer:
    """A return. Raises what `custody.take_back` raises."""
    tablet = service.get(work, actor, tablet_id)

    def act() -> Answer:
        custody.take_back(work, actor, custody.held(work, actor, tablet_id), condition, back)
        return _told(tablet)

    asked = {"act": "return", "tablet": str(tablet_id), "condition": condition.value, "back": sorted(back)}
    return once(work, actor, tablet.town_id, request_id, asked, act)


def table_of(work: Work, actor: Actor, class_id: UUID) -> tuple[SchoolClass, list[tuple[Pupil, Loan | None, Tablet | None]]]:
    """The class at the table: each pupil with loan and tablet, by name. The reading is noted. Raises `NotFound`, `Forbidden`."""
    school_class = work.session.get(SchoolClass, class_id)
    if school_class is None or not actor.may(Permission.SEE, school_class.town_id, school_class.school_id):
        raise NotFound
    actor.require(Permission.HANDLE, school_class.town_id, school_class.school_id)
    rows = [(pupil, loan, tablet) for pupil, loan, tablet in TabletRepository(work.session).table_of(class_id)]
    access.note(work, actor, (pupil for pupil, _, _ in rows), AccessKind.CLASS_LIST)
    return school_class, sorted(
        rows, key=lambda row: ((row[0].usage_name or row[0].last_name), row[0].first_name, str(row[0].id))
    )


def history(work: Work, actor: Actor, tablet_id: UUID) -> tuple[Sequence[Loan], Sequence[Incident]]:
    """The loans and incidents of a tablet, newest first. Raises `TabletNotFound`."""
    tablet = service.get(work, actor, tablet_id)
    repository = TabletRepository(work.session)
    return repository.loans(tablet.id), repository.incidents(tablet.id)


def incidents_of(
    work: Work, actor: Actor, town_id: UUID, kind: IncidentKind | None, *, is_open: bool | None, after: UUID | None, limit: int
) -> Sequence[Incident]:
    """Incidents of a town that the actor may see, newest first; none for a stranger, who learns nothing of the town."""
    return TabletRepository(work.session).listed_incidents(actor, town_id, kind, is_open=is_open, after=after, limit=limit)


def _told(tablet: Tablet) -> Answer:
    return {"tablet_id": str(tablet.id), "tag": tablet.tag, "serial": tablet.serial, "state": tablet.state.value}
