"""The page of one child: tablet, loan, agreement, after-school time, guardians and the rules that they ask for. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.people import schools
from enrollment.people.models import Pupil
from enrollment.people.naming import format_full_name
from enrollment.places import service as places
from enrollment.tablets import pupil_loans
from enrollment.tablets.labels import AGREEMENTS, STATES
from enrollment.tablets.pupil_loans import PupilRecord
from mdm.api.deps import WorkDep
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in
from mdm.console.page_route import PageRoute
from mdm.console.times import format_day, format_instant, show_times_in
from profiles.apps import service as apps
from profiles.catalog.hosts import display_host
from profiles.schedule import sessions
from profiles.schedule.guardian_rules import GuardianRuleKind
from profiles.schedule.labels import AFTER_SCHOOL, GUARDIAN_RULES
from profiles.schedule.mode_decision import AfterSchool
from profiles.schedule.models import GuardianRule
from profiles.schedule.timetable import format_clock

router = APIRouter(prefix="/pupils", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "saved": Message("Saved."),
    "rule": Message("The rule is noted. It holds at home, and school time suspends it."),
    "withdrawn": Message("The rule is withdrawn."),
}
TimeField = Annotated[str, Form(max_length=5)]


@router.get("/{pupil_id}")
def show_pupil(request: Request, work: WorkDep, pupil_id: UUID, done: str = "") -> Response:
    """Show one child with what is lent and decided."""
    actor, _ = require_sign_in(request, work)
    return _render_pupil(request, work, actor, pupil_loans.get_pupil_record(work, actor, pupil_id), notice=done)


@router.post("/{pupil_id}/after-school")
def set_after_school(
    request: Request, work: WorkDep, pupil_id: UUID, csrf: CsrfField, where: Annotated[AfterSchool, Form()]
) -> Response:
    """Save where the child is after class."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    record = pupil_loans.get_pupil_record(work, actor, pupil_id)
    pupil = record.pupil
    refusal = attempt(work, lambda: sessions.set_after_school(work, actor, pupil.town_id, pupil.school_id, pupil.id, where))
    return _answer(request, work, actor, record, refusal)


@router.post("/{pupil_id}/guardians/{guardian_id}/court-order")
def set_court_order(
    request: Request,
    work: WorkDep,
    pupil_id: UUID,
    guardian_id: UUID,
    csrf: CsrfField,
    in_force: Annotated[bool, Form()] = False,
) -> Response:
    """Save whether a court has decided in favour of a guardian."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    record = pupil_loans.get_pupil_record(work, actor, pupil_id)
    refusal = attempt(work, lambda: schools.set_court_order(work, actor, pupil_id, guardian_id, in_force=in_force))
    return _answer(request, work, actor, record, refusal)


@router.post("/{pupil_id}/rules")
def create_guardian_rule(
    request: Request,
    work: WorkDep,
    pupil_id: UUID,
    csrf: CsrfField,
    guardian_id: Annotated[UUID, Form()],
    kind: Annotated[GuardianRuleKind, Form()],
    subject: Annotated[str, Form(max_length=155)] = "",
    window_from: TimeField = "",
    window_to: TimeField = "",
    minutes: Annotated[str, Form(max_length=4)] = "",
) -> Response:
    """Note a rule that a guardian asked for."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    record = pupil_loans.get_pupil_record(work, actor, pupil_id)
    window = (window_from.strip(), window_to.strip()) if window_from.strip() or window_to.strip() else None
    refusal = attempt(
        work,
        lambda: sessions.create_guardian_rule(
            work, actor, record.pupil.town_id, pupil_id, guardian_id, kind=kind, subject=subject.strip(), window=window,
            minutes=int(minutes) if minutes.isascii() and minutes.isdigit() else None,
        ),
    )  # fmt: skip
    typed = {
        "guardian_id": str(guardian_id), "kind": kind.value, "subject": subject, "window_from": window_from, "window_to": window_to,
        "minutes": minutes,
    }  # fmt: skip
    return _answer(request, work, actor, record, refusal, done="rule", typed=typed)


@router.post("/{pupil_id}/rules/{rule_id}/withdraw")
def withdraw_guardian_rule(request: Request, work: WorkDep, pupil_id: UUID, rule_id: UUID, csrf: CsrfField) -> Response:
    """Withdraw a rule of a guardian."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    record = pupil_loans.get_pupil_record(work, actor, pupil_id)
    refusal = attempt(work, lambda: sessions.withdraw_guardian_rule(work, actor, rule_id))
    return _answer(request, work, actor, record, refusal, done="withdrawn")


def _answer(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    record: PupilRecord,
    refusal: DomainError | None,
    *,
    done: str = "saved",
    typed: dict[str, str] | None = None,
) -> Response:
    if refusal is None:
        return RedirectResponse(f"/pupils/{record.pupil.id}?done={done}", status_code=303)
    return _render_pupil(request, work, actor, record, refusal=refusal, typed=typed)


def _render_pupil(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    record: PupilRecord,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    language, pupil = get_language(request), record.pupil
    show_times_in(places.get_town_zone(work, pupil.town_id))

    def may(permission: Permission) -> bool:
        return actor.has_permission(permission, pupil.town_id, pupil.school_id)

    return render_page(
        request,
        "people/pupil.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        pupil=pupil,
        name=format_full_name(pupil),
        school=record.school,
        school_class=record.school_class,
        **_describe_loans(record, language),
        where=sessions.get_after_school(work, pupil.id).value,
        places=[(each.value, AFTER_SCHOOL[each].translate(language)) for each in AfterSchool],
        rules=[_describe_rule(rule, language) for rule in sessions.list_guardian_rules(work, actor, pupil.id)],
        guardians=schools.list_guardians(work, actor, pupil.id) if may(Permission.FAMILY) else [],
        kinds=[(kind.value, GUARDIAN_RULES[kind].translate(language)) for kind in GuardianRuleKind],
        apps=_list_apps(work, actor, pupil) if may(Permission.FAMILY) else [],
        may_list=may(Permission.ROSTER),
        may_family=may(Permission.FAMILY),
        may_care=may(Permission.CARE),
        may_place=may(Permission.AUTHOR) or may(Permission.LEAD),
        may_author=may(Permission.AUTHOR),
        may_privacy=actor.has_permission(Permission.PRIVACY, pupil.town_id),
        may_lend=may(Permission.HANDLE),
        typed=typed or {},
    )


def _describe_loans(record: PupilRecord, language: Language) -> dict[str, Any]:
    former = [
        {
            "tablet_id": tablet.id,
            "tag": tablet.tag,
            "first": format_day(loan.handed_over_at or loan.opened_at),
            "last": format_day(loan.closed_at),
        }
        for loan, tablet in record.loans
        if loan.closed_at is not None
    ]
    if record.open_loan is None:
        return {"loan": None, "former": former}
    loan, tablet = record.open_loan
    return {
        "former": former,
        "loan": {
            "tablet_id": tablet.id,
            "tag": tablet.tag,
            "state": STATES[tablet.state].translate(language),
            "since": format_day(loan.handed_over_at or loan.opened_at),
            "agreement": AGREEMENTS[loan.agreement].translate(language),
            "agreed_on": format_day(loan.agreed_on) if loan.agreed_on is not None else "",
        },
    }


def _describe_rule(rule: GuardianRule, language: Language) -> dict[str, Any]:
    window = ""
    if rule.window_from is not None and rule.window_to is not None:
        window = f"{format_clock(rule.window_from)} – {format_clock(rule.window_to)}"
    return {
        "id": rule.id,
        "kind": GUARDIAN_RULES[rule.kind].translate(language),
        "subject": display_host(rule.subject),
        "window": window,
        "until": format_instant(rule.ends) if rule.ends is not None else "",
        "since": format_day(rule.written_at),
    }


def _list_apps(work: UnitOfWork, actor: Actor, pupil: Pupil) -> list[tuple[str, str]]:
    """Return the apps of the town's catalogue, for a rule that hides one."""
    return [(app.bundle_identifier, app.name) for app in apps.list_all_apps(work, actor, pupil.town_id)]
