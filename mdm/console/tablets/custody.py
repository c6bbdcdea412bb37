"""The custody part of a tablet's page: holder, loans and incidents, and the form that reports repairs. Holds no rules, and no lost mode."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import Invalid
from cartable.i18n import Language
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.joining.labels import RESERVED
from enrollment.people.models import Pupil
from enrollment.tablets import incidents, lookup, recovery
from enrollment.tablets import service as tablets
from enrollment.tablets.incidents import IncidentReport
from enrollment.tablets.labels import ACCESSORIES, AGREEMENTS, CAUSES, CONDITIONS
from enrollment.tablets.models import BreakageCause, Condition, Incident, Loan, Tablet
from mdm.api.deps import WorkDep
from mdm.care.lost_mode.recovery import recover_device
from mdm.care.overview_repository import TabletRow
from mdm.care.tablet_summary import TabletAction, TabletSummary, list_possible_actions, load_summary
from mdm.console.frame import check_csrf, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.tablets.custody_labels import ACTS, KINDS
from mdm.console.times import format_day

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_WITH_WHY, _SHORTEST = frozenset({TabletAction.BROKEN, TabletAction.REPAIR, TabletAction.REPAIRED}), 3
ReasonField = Annotated[str, Form(max_length=300)]


@router.post("/tablets/{tablet_id}/custody/{act}")
def report_event(
    request: Request,
    tablet_id: UUID,
    act: TabletAction,
    work: WorkDep,
    csrf: Annotated[str, Form(max_length=200)],
    why: ReasonField = "",
    cause: Annotated[BreakageCause, Form()] = BreakageCause.OTHER,
    condition: Annotated[Condition, Form()] = Condition.GOOD,
    keep_loaner: Annotated[bool, Form()] = False,
) -> Response:
    """Record what happened to a tablet: broken, sent to repair, repaired, settled or found."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    if act in _WITH_WHY and len(why.strip()) < _SHORTEST:
        raise Invalid(field="why")
    match act:
        case TabletAction.BROKEN:
            broken = lookup.get_tablet_for_update(work, actor, tablet_id, Permission.CARE)
            incidents.report_breakage(work, actor, broken, IncidentReport(why, cause=cause))
        case TabletAction.REPAIR:
            incidents.send_to_repair(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), why)
        case TabletAction.REPAIRED:
            incidents.record_repair(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), why)
        case TabletAction.SETTLE:
            incidents.settle_breakage(work, actor, lookup.get_tablet_for_update(work, actor, tablet_id), keep_loaner=keep_loaner)
        case TabletAction.FOUND:
            tablet = tablets.get_tablet(work, actor, tablet_id)
            recovery.mark_found(work, actor, tablet.town_id, tablet.serial, condition, recover_device=recover_device)
    return RedirectResponse(f"/tablets/{tablet_id}?done=noted", status_code=303)


def describe_custody(work: UnitOfWork, actor: Actor, row: TabletRow, language: Language) -> dict[str, Any]:
    """Return what the page shows of holder, loans and incidents. Names the present holder only, and that reading is audited; the text of
    an incident stays sealed.
    """
    summary = load_summary(work, actor, row.tablet)
    return {
        "now": _list_facts(row, summary, language),
        "pupil_url": f"/pupils/{row.pupil.id}" if row.pupil is not None and _may_open(actor, row.pupil) else "",
        "loans": [_format_loan(each, language) for each in summary.loans if each.closed_at is not None],
        "incidents": [_describe_incident(each, language) for each in summary.incidents],
        "loaner": _link_tablet(summary.loaner),
        "stands_in_for": _link_tablet(summary.stands_in_for),
        "acts": [(act.value, ACTS[act].translate(language)) for act in list_possible_actions(actor, row.tablet, summary)],
        "causes": [(each.value, CAUSES[each].translate(language)) for each in BreakageCause],
        "conditions": [(each.value, CONDITIONS[each].translate(language)) for each in Condition],
    }


def _may_open(actor: Actor, pupil: Pupil) -> bool:
    return actor.has_permission(Permission.ROSTER, pupil.town_id, pupil.school_id)


def _list_facts(row: TabletRow, summary: TabletSummary, language: Language) -> list[tuple[str, str]]:
    pupil, loan = row.pupil, summary.loan
    facts = []
    if pupil is not None:
        facts.append((language.gettext("Pupil"), f"{pupil.first_name} {pupil.usage_name or pupil.last_name}"))
    if row.staff_member is not None:
        facts.append((language.gettext("Adult"), f"{row.staff_member.first_name} {row.staff_member.last_name}"))
    if row.school_class is not None:
        facts.append((language.gettext("Class"), f"{row.school_class.label}{f' ({pupil.grade})' if pupil is not None else ''}"))
    if row.school is not None:
        facts.append((language.gettext("School"), row.school.name))
    if loan is not None:
        facts.append((language.gettext("Since"), format_day(loan.handed_over_at or loan.opened_at)))
        facts.append((language.gettext("Agreement"), AGREEMENTS[loan.agreement].translate(language)))
        facts.append(
            (language.gettext("Accessories"), ", ".join(_format_accessory(line, language) for line in summary.accessories) or "–")
        )
        if loan.needs_confirmation:
            facts.append((language.pgettext("noun", "Swap"), language.gettext("made at school, to be confirmed")))
    if summary.reservation is not None:
        facts.append((language.gettext("Reserved"), RESERVED[summary.reservation.kind].translate(language)))
    if row.tablet.evidence_hold:
        facts.append((language.gettext("Evidence"), language.gettext("kept: leave it alone")))
    if row.tablet.needs_wipe and loan is None:
        facts.append((language.gettext("To be erased"), language.gettext("a child has used it")))
    return facts


def _format_accessory(line: Any, language: Language) -> str:
    word = ACCESSORIES[line.kind].translate(language)
    return f"{word} ({language.pgettext('accessory', 'lost')})" if line.lost_at is not None else word


def _format_loan(loan: Loan, language: Language) -> str:
    back = f", {CONDITIONS[loan.condition_in].translate(language)}" if loan.condition_in else ""
    return (
        language.gettext(
            "from {first} to {last}", first=format_day(loan.handed_over_at or loan.opened_at), last=format_day(loan.closed_at)
        )
        + back
    )


def _describe_incident(incident: Incident, language: Language) -> dict[str, Any]:
    cause = f", {CAUSES[incident.cause].translate(language)}" if incident.cause else ""
    return {
        "id": incident.id,
        "what": KINDS[incident.kind].translate(language) + cause,
        "when": language.gettext("reported on {day}", day=format_day(incident.reported_at)),
        "open": incident.closed_at is None,
        "closed": language.pgettext("incident", "closed on {day}", day=format_day(incident.closed_at))
        if incident.closed_at
        else language.pgettext("incident", "open"),
    }


def _link_tablet(tablet: Tablet | None) -> dict[str, Any] | None:
    return {"id": tablet.id, "tag": tablet.tag} if tablet is not None else None
