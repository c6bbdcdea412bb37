"""The page of one tablet, and its acts: lost mode, rules. It calls the services that the API calls. The list is beside it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.i18n import Language, Message
from cartable.scope import Permission
from enrollment.joining.device_kind import DeviceDescription, describe_problem, find_device_problem
from enrollment.places import service as places
from mdm.api.deps import WorkDep
from mdm.care import overview, retries
from mdm.care.commands.parameters import DEFAULT_NAME
from mdm.care.lost_mode import service as care
from mdm.care.lost_mode.models import LostCaseOrigin
from mdm.care.overview import RulesStatus
from mdm.console.frame import check_csrf, get_language, render_page, require_sign_in
from mdm.console.labels import (
    TRIAL_STATES,
    configuration_label,
    mode_label,
    reason_label,
    rules_reason_label,
    rules_state_label,
    state_label,
)
from mdm.console.numbers import format_gigabytes, format_share
from mdm.console.page_route import PageRoute
from mdm.console.tablets import acts, custody
from mdm.console.tablets.identity_labels import attested_label, renewal_label
from mdm.console.tablets.mode_card import describe_mode
from mdm.console.tablets.tablet_list import describe_row, get_row_zone
from mdm.console.tablets.time_line import describe_moment
from mdm.console.times import format_instant, show_times_in
from mdm.queue.models import OPEN_STATES
from mdm.reconcile.app_retries import can_retry_app
from mdm.reconcile.models import AppState, ProfileState

_NOTICES = {
    "noted": Message("Noted."),
    "ordered": Message("The command is given. The history of this page shows when the tablet has accepted it."),
}
#: So long after a command was given, the page follows what becomes of it: a tablet that is on answers within seconds.
_FOLLOWED_FOR = timedelta(minutes=10)
router = APIRouter(include_in_schema=False, route_class=PageRoute)


def _describe_device_problem(device: DeviceDescription, language: Language) -> str:
    problem = find_device_problem(device)
    return describe_problem(problem, device).translate(language) if problem is not None else ""


@router.get("/tablets/{tablet_id}")
def show_tablet(request: Request, tablet_id: UUID, work: WorkDep, done: str = "", history: str = "") -> Response:
    """Show one tablet: holder, history, apps, lost mode. `history=all` adds what the server did by itself."""
    actor, _ = require_sign_in(request, work)
    language = get_language(request)
    view = overview.view_tablet(work, actor, tablet_id)
    tablet, case = view.row.tablet, view.case
    zone = get_row_zone(view.row, places.get_town_zone(work, tablet.town_id))
    show_times_in(zone)
    lost = case and {
        "asked": format_instant(case.requested_at),
        "confirmed": format_instant(case.confirmed_at) if case.confirmed_at else language.gettext("not yet: at its next contact"),
        "is_confirmed": case.confirmed_at is not None,
        "lift_asked": format_instant(case.lift_requested_at) if case.lift_requested_at else "",
        "is_unreported": case.origin is LostCaseOrigin.FOUND_ON_TABLET,
        "problem": case.problem,
        "next_attempt": format_instant(case.next_attempt_at) if case.next_attempt_at else "",
    }
    facts = [
        (language.gettext("Serial number"), tablet.serial),
        (language.gettext("System"), f"{tablet.product_name or ''} {tablet.os_version or ''}"),
        (language.gettext("Battery"), format_share(tablet.battery_level, language)),
        (language.gettext("Free storage (GB)"), format_gigabytes(tablet.available_gigabytes, language)),
        (language.gettext("Rules"), rules_state_label(view.rules.state, language)),
        (language.gettext("Desired mode"), mode_label(view.rules.wanted_mode, language)),
        (language.gettext("Confirmed mode"), mode_label(view.rules.seen_mode, language)),
        (language.gettext("Last contact"), format_instant(view.row.last_seen_at)),
        (language.gettext("Attested key"), attested_label(view.identity, language)),
        (language.gettext("Certificate until"), format_instant(view.identity.expires_at if view.identity else None)),
        (language.gettext("Renewal of the certificate"), renewal_label(view.identity, work.now, language)),
    ]
    timeline = overview.list_timeline(work, actor, tablet_id, only_people=history != "all").items
    return render_page(
        request,
        "tablets/tablet.html",
        person=actor.name,
        tablet=describe_row(view.row, language, zone),
        problem=_describe_device_problem(view.device, language),
        lost=lost,
        rules=_describe_rules(view.rules, language),
        mode=describe_mode(work, tablet, language),
        enrolled=view.enrollment is not None and view.row.erased_at is None,
        acts=acts.describe_acts(work, actor, tablet, language),
        town_phone=acts.get_town_phone(work, tablet),
        town_zone=zone.key,
        default_name=DEFAULT_NAME,
        custody=custody.describe_custody(work, actor, view.row, language),
        notice=_NOTICES[done].translate(language) if done in _NOTICES else "",
        facts=facts,
        refresh=bool(case and not (case.confirmed_at and not case.lift_requested_at))
        or any(entry.state in OPEN_STATES and entry.at > work.now - _FOLLOWED_FOR for entry in timeline),
        may_care=actor.has_permission(Permission.CARE, tablet.town_id, tablet.school_id),
        apps=[
            {"id": app.id, "name": app.name, "detail": row.detail, "can_retry": can_retry_app(row), "is_installed": row.state is AppState.INSTALLED, "state": state_label(row.state, language), "reason": reason_label(row.reason, language),
             "configuration": configuration_label(row, language),
             "tone": "good" if row.state is AppState.INSTALLED else "bad-text" if row.state is AppState.FAILED else "warn"}
            for row, app in view.apps
        ],
        shows_all=history == "all",
        timeline=[describe_moment(entry, language) for entry in timeline],
    )  # fmt: skip


def _describe_rules(rules: RulesStatus, language: Language) -> dict[str, Any] | None:
    """Return what is wrong with a tablet's rules, and when they are tried again; None when there is nothing to tell."""
    if not rules.can_retry and not rules.problem and rules.trial is None:
        return None
    return {
        "state": rules_state_label(rules.state, language),
        "reason": rules_reason_label(rules.reason, language) if rules.reason is not None else "–",
        "problem": rules.problem,
        "fallback": rules.fallback_reason,
        "trial": TRIAL_STATES[rules.trial].translate(language) if rules.trial is not None else "",
        "next_attempt": format_instant(rules.next_attempt_at) if rules.next_attempt_at else "",
        "can_retry": rules.can_retry,
        "tone": "bad-text" if rules.state is ProfileState.FAILED else "warn",
    }


@router.post("/tablets/{tablet_id}/rules/retry")
def retry_rules(request: Request, tablet_id: UUID, work: WorkDep, csrf: Annotated[str, Form()]) -> Response:
    """Deliver the tablet's rules again now."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    retries.retry_rules(work, actor, tablet_id)
    return RedirectResponse(f"/tablets/{tablet_id}?done=noted", status_code=303)


@router.post("/tablets/{tablet_id}/apps/{app_id}/retry")
def retry_app(request: Request, tablet_id: UUID, app_id: UUID, work: WorkDep, csrf: Annotated[str, Form()]) -> Response:
    """Order an app that failed again now."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    retries.retry_app(work, actor, tablet_id, app_id)
    return RedirectResponse(f"/tablets/{tablet_id}?done=noted", status_code=303)


@router.post("/tablets/{tablet_id}/lost-mode/retry")
def retry_lost_mode(request: Request, tablet_id: UUID, work: WorkDep, csrf: Annotated[str, Form()]) -> Response:
    """Send a refused lost mode, or its refused end, again now."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    care.retry_lost_mode(work, actor, tablet_id)
    return RedirectResponse(f"/tablets/{tablet_id}?done=noted", status_code=303)


@router.post("/tablets/{tablet_id}/lost")
def mark_lost(
    request: Request, tablet_id: UUID, work: WorkDep, csrf: Annotated[str, Form()], reason: Annotated[str, Form(max_length=300)]
) -> Response:
    """Mark a tablet as lost."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    care.mark_lost(work, actor, tablet_id, reason)
    return RedirectResponse(f"/tablets/{tablet_id}", status_code=303)


@router.post("/tablets/{tablet_id}/lift")
def end_lost_mode(
    request: Request,
    tablet_id: UUID,
    work: WorkDep,
    csrf: Annotated[str, Form()],
    reason: Annotated[str, Form(max_length=300)],
    called_back: Annotated[bool, Form()] = False,
) -> Response:
    """Request the end of lost mode."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    care.request_lift(work, actor, tablet_id, reason, called_back=called_back)
    return RedirectResponse(f"/tablets/{tablet_id}", status_code=303)
