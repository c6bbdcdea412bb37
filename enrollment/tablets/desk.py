"""What people with a hand scanner do at the desk: prepare, hand over, swap, take back, report a breakage. Never commits.

Each operation has a request id from the client: sent again after a network failure, it has no second effect. The operations
themselves are in `custody`, `incidents` and `inventory`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from cartable.errors import NotFound
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import access, naming
from enrollment.people.models import AccessKind, Pupil
from enrollment.places.models import School, SchoolClass, Town
from enrollment.safeguards import budget
from enrollment.safeguards.models import IrreversibleAct
from enrollment.tablets import custody, incidents, inventory, lookup, service
from enrollment.tablets.custody import HandoverForm
from enrollment.tablets.idempotency import NO_ACCOUNT_ID, ResponseBody, run_once
from enrollment.tablets.idempotency_repository import IdempotencyRepository
from enrollment.tablets.incident_repository import IncidentRepository
from enrollment.tablets.incidents import IncidentReport
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import AccessoryKind, Condition, Incident, IncidentKind, Loan, Tablet, TabletState
from enrollment.tablets.repository import TabletRepository
from enrollment.tablets.rules import parse_scan

#: Returns older than this belong to an earlier return campaign.
RETURN_CAMPAIGN_LENGTH = timedelta(days=60)


def prepare_by_scan(
    work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, serial: str, tag: str | None
) -> ResponseBody:
    """Prepare the tablet of a purchase order by one scan. Raises what `inventory.prepare_tablet` raises.

    `needs_wipe` in the response: it holds the data of the person who had it last, and is lent to nobody else before it is erased.
    """

    def operation() -> ResponseBody:
        known = TabletRepository(work.session).get_by_scan(actor, town_id, parse_scan(serial))
        again = known is not None and known.state is TabletState.PREPARED
        tablet = inventory.prepare_tablet(work, actor, town_id, serial, tag)
        return {"act": "bench", "again": again, "needs_wipe": tablet.needs_wipe, **_summarise_tablet(tablet)}

    actor.require_permission(Permission.HANDLE, town_id)
    return run_once(work, actor, town_id, request_id, {"act": "bench", "serial": serial, "tag": tag}, operation)


def hand_over_by_scan(
    work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, scan: str, pupil_id: UUID, form: HandoverForm
) -> ResponseBody:
    """Hand the scanned tablet over to a pupil. Raises what `custody.hand_over` raises."""

    def operation() -> ResponseBody:
        tablet = lookup.get_scanned_for_update(work, actor, town_id, scan)
        loan = custody.hand_over(work, actor, tablet, pupil_id, form)
        return {"act": "hand_over", **_summarise_tablet(tablet), "loan_id": str(loan.id), "pupil_id": str(pupil_id)}

    request_fields = {
        "act": "hand_over", "scan": scan, "pupil": str(pupil_id), "condition": form.condition.value,
        "accessories": sorted(form.accessories), "signed": form.signed_by is not None,
        "stays": form.stays_at_school,
    }  # fmt: skip
    return run_once(work, actor, town_id, request_id, request_fields, operation)


def swap_by_scan(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, first: str, second: str) -> ResponseBody:
    """Exchange the loans of two scanned tablets. Raises what `custody.swap_tablets` raises."""

    def operation() -> ResponseBody:
        pair = [lookup.get_scanned_for_update(work, actor, town_id, scan) for scan in (first, second)]
        loans = custody.swap_tablets(work, actor, *pair, needs_confirmation=True)
        return {
            "act": "swap",
            "tablets": [_summarise_tablet(tablet) for tablet in pair],
            "loans": [str(loan.id) for loan in loans],
        }

    return run_once(work, actor, town_id, request_id, {"act": "swap", "first": first, "second": second}, operation)


def take_back(
    work: UnitOfWork, actor: Actor, tablet_id: UUID, request_id: UUID, condition: Condition, back: Collection[AccessoryKind]
) -> ResponseBody:
    """Take back a tablet by its id, which nobody has scanned. Raises `BudgetUsedUp`, and what `custody.take_back` raises."""
    tablet = service.get_tablet(work, actor, tablet_id)

    def operation() -> ResponseBody:
        locked = lookup.get_tablet_for_update(work, actor, tablet_id)
        budget.spend_budget(work, actor, locked.town_id, IrreversibleAct.RETURN_UNSEEN)
        return _take_back(work, actor, locked, condition, back)

    request_fields = {"act": "return", "tablet": str(tablet_id), "condition": condition.value, "back": sorted(back)}
    return run_once(work, actor, tablet.town_id, request_id, request_fields, operation)


def take_back_by_scan(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    request_id: UUID,
    scan: str,
    condition: Condition,
    back: Collection[AccessoryKind],
) -> ResponseBody:
    """Take back the scanned tablet; `back`: the accessories that came with it. Raises what `custody.take_back` raises."""

    def operation() -> ResponseBody:
        return _take_back(work, actor, lookup.get_scanned_for_update(work, actor, town_id, scan), condition, back)

    request_fields = {"act": "return", "scan": scan, "condition": condition.value, "back": sorted(back)}
    return run_once(work, actor, town_id, request_id, request_fields, operation)


def _take_back(
    work: UnitOfWork, actor: Actor, tablet: Tablet, condition: Condition, back: Collection[AccessoryKind]
) -> ResponseBody:
    loan = custody.take_back(work, actor, tablet, condition, back)
    lines = LoanRepository(work.session).list_accessories(loan.id)
    lost = [line.kind.value for line in lines if line.lost_at == work.now]
    return {"act": "return", **_summarise_tablet(tablet), "pupil_id": str(loan.holder_id), "lost": lost}


def report_breakage_by_scan(
    work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, scan: str, report: IncidentReport, loaner: str | None
) -> ResponseBody:
    """Report the scanned tablet as broken, and lend the scanned `loaner` if there is one.

    Raises what `incidents.report_breakage` and `incidents.lend_loaner` raise; then nothing has changed.
    """

    def operation() -> ResponseBody:
        broken = lookup.get_scanned_for_update(work, actor, town_id, scan)
        spare = lookup.get_scanned_for_update(work, actor, town_id, loaner) if loaner else None
        incident = incidents.report_breakage(work, actor, broken, report)
        if spare is not None:
            incidents.lend_loaner(work, actor, broken, spare)
        return {
            "act": "breakage", **_summarise_tablet(broken), "incident_id": str(incident.id), "loaner": _summarise_tablet(spare) if spare else None,
        }  # fmt: skip

    request_fields = {"act": "breakage", "scan": scan, "cause": report.cause, "loaner": loaner}
    return run_once(work, actor, town_id, request_id, request_fields, operation)


def store_by_scan(work: UnitOfWork, actor: Actor, town_id: UUID, request_id: UUID, scan: str, state: TabletState) -> ResponseBody:
    """Put the scanned tablet, which has no loan, into stock or storage. Raises what `inventory.set_inventory_state` raises."""

    def operation() -> ResponseBody:
        return {
            "act": "store",
            **_summarise_tablet(
                inventory.set_inventory_state(
                    work, actor, lookup.get_scanned_for_update(work, actor, town_id, scan), state, "at the desk"
                )
            ),
        }

    return run_once(work, actor, town_id, request_id, {"act": "store", "scan": scan, "state": state.value}, operation)


def list_today_operations(work: UnitOfWork, actor: Actor, town: Town) -> list[tuple[datetime, ResponseBody]]:
    """Return what this person has done at the desk since midnight, newest first: time and response."""
    zone = ZoneInfo(town.time_zone)
    midnight = work.now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = IdempotencyRepository(work.session).list_idempotency_records_since(
        actor.account_id or NO_ACCOUNT_ID, town.id, midnight.astimezone(UTC)
    )
    return [(row.recorded_at, row.response) for row in rows if "act" in row.response]


def list_classes(work: UnitOfWork, actor: Actor, town_id: UUID) -> Sequence[Row[School, SchoolClass, int, int]]:
    """Return the classes with pupils where the actor handles tablets: school, class, number of pupils, number with a tablet."""
    return TabletRepository(work.session).list_classes_with_counts(actor, town_id)


def list_class_loans(
    work: UnitOfWork, actor: Actor, class_id: UUID
) -> tuple[SchoolClass, list[tuple[Pupil, Loan | None, Tablet | None]]]:
    """Return a class and its pupils with loan and tablet, ordered by name. Records the access to the pupils' files.

    Raises `NotFound`, `Forbidden`.
    """
    school_class = get_class(work, actor, class_id)
    rows = [(pupil, loan, tablet) for pupil, loan, tablet in LoanRepository(work.session).list_pupils_with_loan(class_id)]
    access.record_access(work, actor, (pupil for pupil, _, _ in rows), AccessKind.CLASS_LIST)
    return school_class, sorted(rows, key=lambda row: name_sort_key(row[0]))


def list_returned_tablets(work: UnitOfWork, actor: Actor, class_id: UUID) -> dict[UUID, tuple[Tablet, datetime]]:
    """Return the tablet and the time of the return for each pupil of a class who returned one in this return campaign.

    Raises `NotFound`, `Forbidden`.
    """
    get_class(work, actor, class_id)
    rows = LoanRepository(work.session).list_returned(class_id, work.now - RETURN_CAMPAIGN_LENGTH)
    return {pupil_id: (tablet, at) for pupil_id, tablet, at in rows}


def name_sort_key(pupil: Pupil) -> tuple[str, str, str]:
    """Return the sort key of a class list: first name, last name, id; without regard to accents."""
    return (
        naming.make_comparison_key(pupil.first_name),
        naming.make_comparison_key(naming.get_displayed_last_name(pupil)),
        str(pupil.id),
    )


def get_class(work: UnitOfWork, actor: Actor, class_id: UUID) -> SchoolClass:
    """Return a class where the actor handles tablets. Raises `NotFound` (also when the actor may not see it), `Forbidden`."""
    school_class = work.session.get(SchoolClass, class_id)
    if school_class is None or not actor.has_permission(Permission.SEE, school_class.town_id, school_class.school_id):
        raise NotFound
    actor.require_permission(Permission.HANDLE, school_class.town_id, school_class.school_id)
    return school_class


def get_history(work: UnitOfWork, actor: Actor, tablet_id: UUID) -> tuple[Sequence[Loan], Sequence[Incident]]:
    """Return the loans and the incidents of a tablet, newest first. Raises `TabletNotFound`."""
    tablet = service.get_tablet(work, actor, tablet_id)
    loans = LoanRepository(work.session).list_loans(tablet.id)
    return loans, IncidentRepository(work.session).list_incidents_by_tablet(tablet.id)


def list_incidents(
    work: UnitOfWork,
    actor: Actor,
    town_id: UUID,
    kind: IncidentKind | None,
    *,
    is_open: bool | None,
    page: PageRequest = FIRST_PAGE,
) -> Page[Incident]:
    """Return the incidents of a town that the actor may see, newest first, from behind `after` on."""
    return IncidentRepository(work.session).list_incidents(actor, town_id, kind, is_open=is_open, page=page)


def _summarise_tablet(tablet: Tablet) -> ResponseBody:
    return {"tablet_id": str(tablet.id), "tag": tablet.tag, "serial": tablet.serial, "state": tablet.state.value}
