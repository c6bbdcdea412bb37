"""The pages of one bundle: its apps, who has it and who not, and giving it to a place after a look at the licences. Holds no rules."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cartable.errors import DomainError, NotFound
from cartable.i18n import Language, Message
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.places import service as places
from enrollment.places.models import Grade
from mdm.api.deps import WorkDep
from mdm.console.apps.apps import list_choices
from mdm.console.apps.labels import PLACES, USES, place_label
from mdm.console.forms import CsrfField, attempt
from mdm.console.frame import check_csrf, choose_town, get_language, render_page, require_sign_in
from mdm.console.labels import reason_label, state_label
from mdm.console.page_route import PageRoute
from mdm.reconcile import bundle_status
from mdm.reconcile.bundle_status import BundleStatus
from profiles.apps import licences, service
from profiles.apps.data_sheets.service import get_verdicts
from profiles.apps.errors import LicencesShort
from profiles.effective import bundles
from profiles.effective.bundles import Bundle, Consent
from profiles.effective.errors import RisksNotConfirmed
from profiles.policy.kinds import AppUse, PlaceKind
from profiles.policy.places import check_place, count_tablets, select_tablets

router = APIRouter(prefix="/apps/bundles", include_in_schema=False, route_class=PageRoute)
_NOTICES = {
    "changed": Message("The bundle is changed. Each tablet that has it follows at its next contact."),
    "given": Message("The bundle is given. Each tablet follows at its next contact."),
    "withdrawn": Message("The bundle is withdrawn. Its apps leave the tablets that nothing else gives them to."),
}
PlaceField = Annotated[str, Form(max_length=80)]
ConfirmationField = Annotated[str, Form(max_length=8)]


@router.get("/{bundle_id}")
def show_bundle(request: Request, work: WorkDep, bundle_id: UUID, done: str = "") -> Response:
    """Show the apps of a bundle, the places that have it, and how far their tablets are."""
    actor, _ = require_sign_in(request, work)
    return _render_bundle(request, work, actor, _load_bundle(work, actor, bundle_id), notice=done)


@router.post("/{bundle_id}/apps")
def change_bundle(
    request: Request,
    work: WorkDep,
    bundle_id: UUID,
    csrf: CsrfField,
    reason: Annotated[str, Form(min_length=3, max_length=300)],
    app_ids: Annotated[list[UUID], Form(max_length=200)] = [],  # noqa: B006 (FastAPI copies it)
    accept_shortage: Annotated[bool, Form()] = False,
    confirmation: ConfirmationField = "",
) -> Response:
    """Publish the bundle with other apps."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    bundle = _load_bundle(work, actor, bundle_id)
    consent = Consent(accept_shortage, confirmation or None)
    refusal = attempt(
        work,
        lambda: bundles.change_bundle(work, actor, bundle.preset, app_ids, reason=reason, consent=consent),
    )
    if refusal is not None:
        return _render_bundle(request, work, actor, bundle, refusal=refusal, chosen=app_ids, reason=reason)
    return RedirectResponse(f"/apps/bundles/{bundle_id}?done=changed", status_code=303)


@router.get("/{bundle_id}/give")
def preview_assignment(request: Request, work: WorkDep, bundle_id: UUID, place: str = "") -> Response:
    """Show what giving a bundle to a place would need: tablets and licences, app by app."""
    actor, _ = require_sign_in(request, work)
    return _render_give(request, work, actor, _load_bundle(work, actor, bundle_id), *_parse_place(place))


@router.post("/{bundle_id}/give")
def assign_bundle(
    request: Request,
    work: WorkDep,
    bundle_id: UUID,
    csrf: CsrfField,
    place: PlaceField,
    use: Annotated[AppUse, Form()] = AppUse.REQUIRED,
    accept_shortage: Annotated[bool, Form()] = False,
    confirmation: ConfirmationField = "",
) -> Response:
    """Give a bundle to a place."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    bundle, (kind, target) = _load_bundle(work, actor, bundle_id), _parse_place(place)
    consent = Consent(accept_shortage, confirmation or None)
    refusal = attempt(work, lambda: bundles.assign_bundle(work, actor, bundle.preset, kind, target, use, consent=consent))
    if refusal is not None:
        return _render_give(request, work, actor, bundle, kind, target, use=use, refusal=refusal)
    return RedirectResponse(f"/apps/bundles/{bundle_id}?done=given", status_code=303)


@router.post("/{bundle_id}/withdraw")
def remove_assignment(request: Request, work: WorkDep, bundle_id: UUID, csrf: CsrfField, place: PlaceField) -> Response:
    """Withdraw a bundle from a place."""
    actor, _ = require_sign_in(request, work)
    check_csrf(request, csrf)
    bundles.unassign_bundle(work, actor, _load_bundle(work, actor, bundle_id).preset, *_parse_place(place))
    return RedirectResponse(f"/apps/bundles/{bundle_id}?done=withdrawn", status_code=303)


def _get_confirmation(refusal: DomainError | None) -> str:
    """Return the code with which the risks of a refusal are confirmed; empty where there is nothing to confirm."""
    return str(refusal.details["confirmation"]) if isinstance(refusal, RisksNotConfirmed) else ""


def _load_bundle(work: UnitOfWork, actor: Actor, bundle_id: UUID) -> Bundle:
    """Return a bundle of a town whose apps the person may write. Raises `NotFound`."""
    bundle = bundles.describe_bundle(work, bundles.get_bundle(work, actor, bundle_id))
    choose_town(work, actor, Permission.AUTHOR, bundle.preset.town_id)
    return bundle


def _parse_place(text: str) -> tuple[PlaceKind, str]:
    """Return kind and target of a place as the pages write it: "grade:CE2". Raises `NotFound`."""
    kind, _, target = text.partition(":")
    if kind not in {*PlaceKind}:
        raise NotFound
    return PlaceKind(kind), target


def _render_bundle(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    bundle: Bundle,
    *,
    notice: str = "",
    refusal: DomainError | None = None,
    chosen: list[UUID] | None = None,
    reason: str = "",
) -> Response:
    language = get_language(request)
    town_id = bundle.preset.town_id
    catalogue = service.list_all_apps(work, actor, town_id)
    names = {str(school.id): school.name for school in places.list_schools(work, actor, town_id)}
    given = {(each.place, each.target) for each in bundle.assignments}
    return render_page(
        request,
        "apps/bundle.html",
        notice=_NOTICES[notice].translate(language) if notice in _NOTICES else "",
        refusal=refusal,
        bundle=bundle,
        choices=list_choices(
            catalogue,
            [app.id for app in bundle.apps] if chosen is None else chosen,
            get_verdicts(work, actor, bundle.preset.town_id),
            language,
        ),
        reason=reason,
        short=isinstance(refusal, LicencesShort),
        confirmation=_get_confirmation(refusal),
        assignments=[
            {
                "place": f"{each.place}:{each.target}",
                "name": _name_place(each.place, each.target, names, language),
                "use": USES[each.use].translate(language),
            }
            for each in bundle.assignments
        ],
        offers=[
            (f"{kind}:{target}", _name_place(kind, target, names, language))
            for kind, target in _list_places(list(names))
            if (kind, target) not in given
        ],
        **_describe_status(bundle_status.get_bundle_status(work, actor, bundle), bundle, language),
    )


def _describe_status(status: BundleStatus, bundle: Bundle, language: Language) -> dict[str, Any]:
    names = {app.id: app.name for app in bundle.apps}
    reasons = sorted(status.reasons.items(), key=lambda item: -item[1])
    return {
        "progress": status,
        "blocked": [(place_label(place, language), count) for place, count in sorted(status.blocked.items())],
        "reasons": [(reason_label(reason, language), count) for reason, count in reasons],
        "missing": [
            {
                "id": each.tablet_id,
                "tag": each.tag,
                "app": names.get(each.app_id, "–"),
                "state": state_label(each.state, language),
                "reason": reason_label(each.reason, language),
                "detail": each.detail or "",
            }
            for each in status.missing
        ],
    }


def _list_places(school_ids: list[str]) -> list[tuple[PlaceKind, str]]:
    """Return the places that the page offers. A class or a child is given apps in the policy of that place."""
    return [
        *((PlaceKind.GRADE, grade.value) for grade in Grade),
        *((PlaceKind.SCHOOL, school_id) for school_id in school_ids),
        (PlaceKind.TOWN, ""),
    ]


def _name_place(kind: PlaceKind, target: str, schools: dict[str, str], language: Language) -> str:
    name = PLACES[kind].translate(language)
    if kind is PlaceKind.SCHOOL:
        return schools.get(target, name)
    return target if kind is PlaceKind.GRADE else name


def _render_give(
    request: Request,
    work: UnitOfWork,
    actor: Actor,
    bundle: Bundle,
    kind: PlaceKind,
    target: str,
    *,
    use: AppUse = AppUse.REQUIRED,
    refusal: DomainError | None = None,
) -> Response:
    language, town_id = get_language(request), bundle.preset.town_id
    check_place(work, town_id, kind, target)
    schools = {str(school.id): school.name for school in places.list_schools(work, actor, town_id)}
    identifiers = [app.bundle_identifier for app in bundle.apps]
    needs = licences.list_needs(work, town_id, identifiers, select_tablets(work, town_id, kind, target))
    current = next((each.use for each in bundle.assignments if (each.place, each.target) == (kind, target)), None)
    return render_page(
        request,
        "apps/give.html",
        refusal=refusal,
        bundle=bundle,
        place=f"{kind}:{target}",
        place_name=_name_place(kind, target, schools, language),
        tablets=count_tablets(work, town_id, kind, target),
        needs=needs,
        missing=sum(need.missing for need in needs),
        uses=[(each.value, USES[each].translate(language)) for each in AppUse],
        use=(current or use).value,
        confirmation=_get_confirmation(refusal),
        current=USES[current].translate(language) if current is not None else "",
    )
