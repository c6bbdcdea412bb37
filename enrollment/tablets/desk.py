"""The desk: what people with a hand scanner do at the bench and at the table, repeatable when the network fails. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from cartable.errors import NotFound
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access, naming
from enrollment.people.models import AccessKind, Pupil
from enrollment.places.models import School, SchoolClass, Town
from enrollment.tablets import custody, incidents, inventory, lookup, service
from enrollment.tablets.custody import Handing
from enrollment.tablets.idempotency import NOBODY, once
from enrollment.tablets.incidents import Account
from enrollment.tablets.models import AccessoryKind, Condition, Incident, IncidentKind, Loan, Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import read_scan

Answer = dict[str, Any]
#: A return campaign is over after so long.
CAMPAIGN = timedelta(days=60)


def bench(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, serial: str, tag: str | None) -> Answer:
    """One scan at the bench. Raises what `preparing.bench` raises."""

    def act() -> Answer:
        known = TabletRepository(work.session).scanned(actor, town_id, read_scan(serial))
        again = known is not None and known.state is TabletState.PREPARED
        return {"act": "bench", "again": again, **_told(inventory.bench(work, actor, town_id, serial, tag))}

    actor.require_permission(Permission.HANDLE, town_id)
    return once(work, actor, town_id, request_id, {"act": "bench", "serial": serial, "tag": tag}, act)


def hand_over(
    work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, scan: str, pupil_id: UUID, said: Handing
) -> Answer:
    """One child at the table. Raises what `custody.hand_over` raises."""

    def act() -> Answer:
        tablet = lookup.scanned(work, actor, town_id, scan)
        loan = custody.hand_over(work, actor, tablet, pupil_id, said)
        return {"act": "hand_over", **_told(tablet), "loan_id": str(loan.id), "pupil_id": str(pupil_id)}

    asked = {
        "act": "hand_over", "scan": scan, "pupil": str(pupil_id), "condition": said.condition.value,
        "accessories": sorted(said.accessories), "signed": said.signed_by is not None,
        "stays": said.stays,
    }  # fmt: skip
    return once(work, actor, town_id, request_id, asked, act)


def swap(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, first: str, second: str) -> Answer:
    """Two scans: two children keep what they hold. Raises what `custody.swap` raises."""

    def act() -> Answer:
        pair = [lookup.scanned(work, actor, town_id, scan) for scan in (first, second)]
        loans = custody.swap(work, actor, *pair, to_confirm=True)
        return {"act": "swap", "tablets": [_told(tablet) for tablet in pair], "loans": [str(loan.id) for loan in loans]}

    return once(work, actor, town_id, request_id, {"act": "swap", "first": first, "second": second}, act)


def take_back(
    work: UnitOfWork, actor: Actor, tablet_id: UUID, request_id: UUID, condition: Condition, back: Collection[AccessoryKind]
) -> Answer:
    """A return. Raises what `custody.take_back` raises."""
    tablet = service.get(work, actor, tablet_id)

    def act() -> Answer:
        return _back(work, actor, lookup.held(work, actor, tablet_id), condition, back)

    asked = {"act": "return", "tablet": str(tablet_id), "condition": condition.value, "back": sorted(back)}
    return once(work, actor, tablet.town_id, request_id, asked, act)


def take_back_scanned(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    request_id: UUID,
    scan: str,
    condition: Condition,
    back: Collection[AccessoryKind],
) -> Answer:
    """A return at the table: one scan, and what came back with it. Raises what `custody.take_back` raises."""

    def act() -> Answer:
        return _back(work, actor, lookup.scanned(work, actor, town_id, scan), condition, back)

    asked = {"act": "return", "scan": scan, "condition": condition.value, "back": sorted(back)}
    return once(work, actor, town_id, request_id, asked, act)


def _back(work: UnitOfWork, actor: Actor, tablet: Tablet, condition: Condition, back: Collection[AccessoryKind]) -> Answer:
    loan = custody.take_back(work, actor, tablet, condition, back)
    lines = TabletRepository(work.session).accessories(loan.id)
    lost = [line.kind.value for line in lines if line.lost_at == work.now]
    return {"act": "return", **_told(tablet), "pupil_id": str(loan.pupil_id), "lost": lost}


def break_(
    work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, scan: str, told: Account, loaner: str | None
) -> Answer:
    """A broken tablet comes to the table; with `loaner`, another is put into the child's hands at once.

    Raises what `incidents.break_` and `incidents.lend_loaner` raise; then neither has happened.
    """

    def act() -> Answer:
        broken = lookup.scanned(work, actor, town_id, scan)
        spare = lookup.scanned(work, actor, town_id, loaner) if loaner else None
        incident = incidents.break_(work, actor, broken, told)
        if spare is not None:
            incidents.lend_loaner(work, actor, broken, spare)
        return {
            "act": "breakage", **_told(broken), "incident_id": str(incident.id), "loaner": _told(spare) if spare else None,
        }  # fmt: skip

    asked = {"act": "breakage", "scan": scan, "cause": told.cause, "loaner": loaner}
    return once(work, actor, town_id, request_id, asked, act)


def store(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, scan: str, state: TabletState) -> Answer:
    """A tablet that nobody holds is put away by one scan. Raises what `preparing.move` raises."""

    def act() -> Answer:
        return {
            "act": "store",
            **_told(inventory.move(work, actor, lookup.scanned(work, actor, town_id, scan), state, "at the desk")),
        }

    return once(work, actor, town_id, request_id, {"act": "store", "scan": scan, "state": state.value}, act)


def done_today(work: UnitOfWork, actor: Actor, town: Town) -> list[tuple[datetime, Answer]]:
    """What this person has done at the desk since midnight in the town, newest first."""
    zone = ZoneInfo(town.time_zone)
    midnight = work.now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = TabletRepository(work.session).done_since(actor.account_id or NOBODY, town.id, midnight.astimezone(UTC))
    return [(row.at, row.answer) for row in rows if "act" in row.answer]


def classes(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[Row[School, SchoolClass, int, int]]:
    """The classes with pupils where this person hands over: how many pupils, how many of them hold a tablet."""
    return TabletRepository(work.session).classes_at_the_desk(actor, town_id)


def table_of(
    work: UnitOfWork, actor: Actor, class_id: UUID
) -> tuple[SchoolClass, list[tuple[Pupil, Loan | None, Tablet | None]]]:
    """The class at the table: each pupil with loan and tablet, by name. The reading is noted. Raises `NotFound`, `Forbidden`."""
    school_class = class_of(work, actor, class_id)
    rows = [(pupil, loan, tablet) for pupil, loan, tablet in TabletRepository(work.session).table_of(class_id)]
    access.note(work, actor, (pupil for pupil, _, _ in rows), AccessKind.CLASS_LIST)
    return school_class, sorted(rows, key=lambda row: by_name(row[0]))


def given_back(work: UnitOfWork, actor: Actor, class_id: UUID) -> dict[UUID, tuple[Tablet, datetime]]:
    """Which pupils of a class have given a tablet back in the last months, and when: the other half of a return campaign.

    Raises `NotFound`, `Forbidden`.
    """
    class_of(work, actor, class_id)
    rows = TabletRepository(work.session).given_back(class_id, work.now - CAMPAIGN)
    return {pupil_id: (tablet, at) for pupil_id, tablet, at in rows}


def by_name(pupil: Pupil) -> tuple[str, str, str]:
    """The order of a class list, on screen and paper: by first name, as children are called; accents do not count."""
    return naming.look(pupil.first_name), naming.look(naming.last_name(pupil)), str(pupil.id)


def class_of(work: UnitOfWork, actor: Actor, class_id: UUID) -> SchoolClass:
    """The class, for one who handles tablets there. Raises `NotFound` (also out of reach), `Forbidden`."""
    school_class = work.session.get(SchoolClass, class_id)
    if school_class is None or not actor.has_permission(Permission.SEE, school_class.town_id, school_class.school_id):
        raise NotFound
    actor.require_permission(Permission.HANDLE, school_class.town_id, school_class.school_id)
    return school_class


def history(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> tuple[Sequence[Loan], Sequence[Incident]]:
    """The loans and incidents of a tablet, newest first. Raises `TabletNotFound`."""
    tablet = service.get(work, actor, tablet_id)
    repository = TabletRepository(work.session)
    return repository.loans(tablet.id), repository.incidents(tablet.id)


def incidents_of(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    kind: IncidentKind | None,
    *,
    is_open: bool | None,
    after: UUID | None,
    limit: int,
) -> Sequence[Incident]:
    """Incidents of a town that the actor may see, newest first; none for a stranger, who learns nothing of the town."""
    return TabletRepository(work.session).listed_incidents(actor, town_id, kind, is_open=is_open, after=after, limit=limit)


def _told(tablet: Tablet) -> Answer:
    return {"tablet_id": str(tablet.id), "tag": tablet.tag, "serial": tablet.serial, "state": tablet.state.value}
